"""The words of the comments a run writes on its thread. Pure: rows in, Markdown out."""

import re
from collections.abc import Sequence
from urllib.parse import quote

from bot.domain.change import Pages
from bot.domain.lifecycle import ENDINGS, Outcome, Phase
from bot.domain.task import Run, Task, is_confidential
from bot.domain.usage import Known, Spent
from bot.reports.command_syntax import change_reference, reference
from bot.reports.phrases import pinned
from bot.text.sanitize import for_comment, for_line
from bot.text.units import duration, moment

_REQUEST = 1_000  # characters of the request that are quoted back
_REASON = 4_000
_LINE = 200  # characters of what an agent does or prints
_SUMMARY = 20_000
_PATHS = 10_000  # characters; one path has at most 4,096
_COUNTED = re.compile("`, `… and ([0-9,]+) more`$")  # how an export ends a list it has cut
_STARTED_OVER = (
    "The workspace of the run before was removed: untracked files and the agent's notes are gone, "
    "and this run went on in a fresh clone."
)
_LOST = (
    "The machine that had the workspace has not been heard of for a while: untracked files, commits that "
    "were not pushed and the agent's notes were lost with it, and this run began from what had been pushed."
)
_SET_BACK = (
    "On a change, files that instruct agents (`AGENTS.md`, `CLAUDE.md` and the like) can be changed by "
    "people only: what an agent does to them is not taken."
)
_STOPPING = "cancelled; stopping the agent and taking out its work"
DOING = {
    Phase.PREPARE: "preparing the workspace",
    Phase.AGENT: "running the agent",
    Phase.EXPORT: "taking out and checking what the agent made",
    Phase.PUSH: "pushing",
    Phase.REPORT: "done",
}


def progress(
    run: Run,
    task: Task,
    phase: Phase,
    *,
    started_over: bool,
    last_line: str,
    secrets: Sequence[str],
    lost: bool = False,
) -> str:
    """The comment that is edited in place while a run goes on."""
    doing = _STOPPING if run.cancel_asked else DOING[phase]
    lines = [f"Task `{task.id}`, run {run.number}: {doing} (`{task.agent}`)."]
    if task.pinned:
        lines.append(pinned(task.pinned[:10]))
    if started_over:
        lines.append(_LOST if lost else _STARTED_OVER)
    if told := session(run):
        lines.append(told)
    if run.cancel_asked:
        return "\n\n".join(lines)
    if phase is Phase.AGENT and run.doing:
        lines.append(f"At the moment: {for_line(run.doing, _LINE, secrets)}")
    elif last_line:
        lines.append(f"Last line of its output: {for_line(last_line, _LINE, secrets)}")
    return "\n\n".join(lines)


def final(
    run: Run,
    task: Task,
    pages: Pages,
    *,
    kept_until: float | None,
    started_over: bool,
    say_next: str,
    also: str,
    secrets: Sequence[str],
    lost: bool = False,
    spent: Spent | None = None,
) -> tuple[str, str]:
    """The comment at the end, in two parts: the change's link, known only when opened, goes between.

    `started_over`: the workspace is not that of the run before, which was `lost` with its host, or removed.
    """
    outcome = run.outcome or Outcome.LOST
    lead = f"**{ENDINGS[outcome].says}** {_about(run, task, outcome, pages)}".strip()
    parts = ["" if outcome in (Outcome.PUSHED, Outcome.HELD) else for_comment(run.reason, _REASON, secrets)]
    parts.append(_SET_BACK if task.pinned and outcome is Outcome.NO_CHANGES else "")
    parts.append("Asked for:\n\n" + for_comment(run.request, _REQUEST, secrets))
    if run.summary:
        parts.append("The agent says:\n\n" + for_comment(run.summary, _SUMMARY, secrets))
    parts.append((_LOST if lost else _STARTED_OVER) if started_over else "")
    parts.append(session(run))
    parts.append(_facts(run, task, pages, [*_used(spent), *_kept(kept_until)]))
    parts.append(f"Next: `{say_next}`" + (f" or `{also}`" if also else ""))
    return lead, "\n\n".join(part for part in parts if part)


def session(run: Run) -> str:
    """Which conversation the agent of a later run works in; "" on a first run, and of one that keeps none."""
    if run.session_from:
        return "The agent goes on in the session of the run before."
    if run.number > 1 and run.session:
        return "The agent began a fresh session, with a summary of the run before."
    return ""


def used(spent: Spent) -> str:
    """What a run used of models: tokens and dollars; "" where it used nothing."""
    if not spent.used.requests and not spent.usd:
        return ""
    return f"{spent.used.tokens.all:,} tokens, {_cost(spent)}"


def _cost(spent: Spent) -> str:
    if spent.known is not Known.UNKNOWN:
        return dollars(spent.usd) + (" by the agent's word" if spent.known is Known.AGENT else "")
    return f"at least {dollars(spent.usd)}" if spent.usd else "cost unknown"


def dollars(usd: float) -> str:
    """Of less than a cent so much that it is not nothing."""
    return f"${usd:,.2f}" if usd == 0 or usd >= 0.005 else f"${usd:.4f}"


def after_limit(at: float, stop: str) -> str:
    """That a run will go on by itself, seconds since the epoch; `stop` is the command against it."""
    return f"It goes on by itself once the limit has ended, at {moment(at)}. `{stop}` stops that."


def change_sentence(task: Task, refused: str) -> str:
    """What became of the pull or merge request."""
    if task.change_number is not None:
        return f"The change is [{change_reference(task)}]({task.change_url})."
    return f"A change could not be opened: {refused}" if refused else ""


def over(run: Run, task: Task) -> str:
    """What the comment that was edited in place says in the end."""
    return f"Task `{task.id}`, run {run.number}, has ended: {in_short(run)} A comment of its own tells more."


def in_short(run: Run) -> str:
    """One line, as for a commit status."""
    return ENDINGS[run.outcome or Outcome.LOST].says


def change_body(run: Run, task: Task, page: str, *, secrets: Sequence[str]) -> str:
    """Text of the pull or merge request the bot opens. What only members may read is not in it."""
    if is_confidential(task, run):
        return f"[Task `{task.id}`]({page})"
    parts = [f"Made for {reference(task.thread)}, asked by {run.asked_by.login}:"]
    parts.append(for_comment(run.request, _REQUEST, secrets))
    if run.summary:
        parts.append("The agent says:\n\n" + for_comment(run.summary, _SUMMARY, secrets))
    parts.append(f"[Task `{task.id}`]({page})")
    return "\n\n".join(parts)


def _about(run: Run, task: Task, outcome: Outcome, pages: Pages) -> str:
    head = task.checked_head
    if outcome is Outcome.PUSHED:
        said = f"Branch {_branch(task, pages)} is at [`{head[:10]}`]({pages.commit.format(sha=head)})."
        if task.change != "link":
            return said
        page = pages.new_change.format(base=quote(task.base), branch=quote(task.branch))
        return f"{said} [Open a change from it]({page})."
    if outcome is Outcome.HELD:
        return f"Commit `{head[:10]}` touches {_paths(run.reason)}. Nothing was pushed."
    return ""


def _branch(task: Task, pages: Pages) -> str:
    return f"[`{task.branch}`]({pages.branch_at(task.branch)})"


def _paths(listed: str) -> str:
    """As many of the paths as leave room for the rest of the comment."""
    left_out = 0
    if counted := _COUNTED.search(listed):
        listed, left_out = f"{listed[: counted.start()]}`", int(counted[1].replace(",", ""))
    if len(listed) > _PATHS:
        kept, between, _ = listed[:_PATHS].rpartition("`, `")
        listed, left_out = f"{kept}`", left_out + listed.count(between) - kept.count(between)
    return f"{listed} and {left_out} more" if left_out else listed


def _facts(run: Run, task: Task, pages: Pages, more: Sequence[tuple[str, str]]) -> str:
    rows = [("Task", f"`{task.id}`, run {run.number}"), ("Agent", f"`{task.agent}`, {_duration(run)}")]
    if run.outcome is not Outcome.PUSHED and task.pushed_head:
        rows.append(("Branch", f"{_branch(task, pages)}, unchanged at `{task.pushed_head[:10]}`"))
    table = "\n".join(f"| {name} | {value} |" for name, value in [*rows, *more])
    return f"| | |\n|---|---|\n{table}"


def _used(spent: Spent | None) -> list[tuple[str, str]]:
    words = used(spent) if spent else ""
    return [("Used", words)] if words else []


def _kept(until: float | None) -> list[tuple[str, str]]:
    return [] if until is None else [("Workspace", f"kept until {moment(until)}")]


def _duration(run: Run) -> str:
    if run.started_at is None or run.ended_at is None:
        return "not started"
    return duration(run.ended_at - run.started_at)
