"""The texts that a run writes on its thread. Pure functions: rows in, Markdown out."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote

from bot.domain.change import Pages
from bot.domain.lifecycle import Phase
from bot.domain.outcomes import ENDINGS, Outcome
from bot.domain.task import Run, Task, is_confidential
from bot.domain.usage import Known, Spent
from bot.reports.command_syntax import change_reference, next_command, reference
from bot.reports.outbox_messages import FinalMessage
from bot.reports.phrases import HOST_LOST, STARTED_OVER, pinned
from bot.text.sanitize import for_comment, for_line
from bot.text.units import duration, moment

_REQUEST = 1_000  # characters of the request that are quoted
_REASON = 4_000
_LINE = 200  # characters of a line of the agent's output
_SUMMARY = 20_000
_PATHS = 10_000  # characters of all paths together; a single path has at most 4,096
_COUNTED = re.compile("`, `… and ([0-9,]+) more`$")  # the end of a list that the export has cut
_NOT_EXPORTED = (
    "On a change, files that instruct agents (`AGENTS.md`, `CLAUDE.md` and the like) can be changed by "
    "people only: an agent's changes to them are not exported."
)
_STOPPING = "cancelled; stopping the agent and exporting its work"
DOING = {
    Phase.PREPARE: "preparing the workspace",
    Phase.AGENT: "running the agent",
    Phase.EXPORT: "exporting and checking the agent's work",
    Phase.PUSH: "pushing",
    Phase.REPORT: "done",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class EndedRun:
    """The facts that the final comment of a run reports. Times are seconds since the epoch."""

    run: Run
    task: Task
    pages: Pages
    page: str  # address of the task's page
    next_command: str  # with a leading slash, as in `ENDINGS`
    newest: bool  # the task is the newest of its thread
    workspace_until: float | None = None  # None: the workspace is not on the run's host any more
    started_over: bool = False  # the run started in a fresh clone, though the task had a workspace before
    host_lost: bool = False  # that workspace was lost with its host, and not removed
    spent: Spent | None = None
    continues_at: float | None = None  # when a provider's limit ends and the task continues by itself


def progress(
    run: Run,
    task: Task,
    phase: Phase,
    *,
    started_over: bool,
    last_line: str,
    secrets: Sequence[str],
    host_lost: bool = False,
) -> str:
    """Write the comment that is edited in place while a run goes on."""
    doing = _STOPPING if run.cancel_asked else DOING[phase]
    parts = [f"Task `{task.id}`, run {run.number}: {doing} (`{task.agent}`)."]
    if task.pinned:
        parts.append(pinned(task.pinned[:10]))
    parts += [run.moved, _fresh_clone(started_over=started_over, host_lost=host_lost), session(run)]
    if run.cancel_asked:
        pass
    elif phase is Phase.AGENT and run.doing:
        parts.append(f"At the moment: {for_line(run.doing, _LINE, secrets)}")
    elif last_line:
        parts.append(f"Last line of its output: {for_line(last_line, _LINE, secrets)}")
    return "\n\n".join(part for part in parts if part)


def final(ended: EndedRun, secrets: Sequence[str]) -> FinalMessage:
    """Write the final comment. `with_change` completes it when the change was opened or refused."""
    run, task = ended.run, ended.task
    outcome = run.outcome or Outcome.LOST
    lead = f"**{ENDINGS[outcome].sentence}** {_about(run, task, outcome, ended.pages)}".strip()
    parts = ["" if outcome in (Outcome.PUSHED, Outcome.HELD) else for_comment(run.reason, _REASON, secrets)]
    parts.append(_NOT_EXPORTED if task.pinned and outcome is Outcome.NO_CHANGES else "")
    parts.append("Asked for:\n\n" + for_comment(run.request, _REQUEST, secrets))
    parts += [_summary(run, secrets), run.unexported]
    parts += [run.moved, _fresh_clone(started_over=ended.started_over, host_lost=ended.host_lost)]
    parts += [session(run), _facts(ended), *_next_steps(ended, outcome)]
    parts.append(f"[Page and log of this task]({ended.page})")
    return FinalMessage(lead=lead, rest="\n\n".join(part for part in parts if part))


def with_change(message: FinalMessage, task: Task, refusal: str) -> str:
    """Complete the final comment with the task's change, or with the reason why it was not opened."""
    sentence = f"A change could not be opened: {refusal}" if refusal else ""
    if task.change_number is not None:
        sentence = f"The change is [{change_reference(task)}]({task.change_url})."
    return f"{message.lead} {sentence}".strip() + f"\n\n{message.rest}"


def with_question(reason: str, question: str) -> str:
    """Add the agent's question to the reason why the agent failed: the question may explain the failure."""
    return f"{reason} The agent had asked: {question}".strip() if question else reason


def session(run: Run) -> str:
    """Report which session the agent works in; "" on a first run, or if the agent keeps no sessions."""
    if run.session_from:
        return "The agent continues the session of the previous run."
    if run.number > 1 and run.session:
        return "The agent began a new session, with a summary of the previous run."
    return ""


def used(spent: Spent) -> str:
    """Report a run's tokens and their cost in dollars; "" if the run used no model."""
    if not spent.used.requests and not spent.usd:
        return ""
    return f"{spent.used.tokens.all:,} tokens, {_cost(spent)}"


def _cost(spent: Spent) -> str:
    if spent.known is not Known.UNKNOWN:
        return dollars(spent.usd) + (" as reported by the agent" if spent.known is Known.AGENT else "")
    return f"at least {dollars(spent.usd)}" if spent.usd else "cost unknown"


def dollars(usd: float) -> str:
    """Format an amount; below half a cent with four decimals, so that it is not shown as zero."""
    return f"${usd:,.2f}" if usd == 0 or usd >= 0.005 else f"${usd:.4f}"


def over(run: Run, task: Task) -> str:
    """Write the last text of the comment that was edited in place."""
    return f"Task `{task.id}`, run {run.number}, has ended: {in_short(run)} A new comment has the details."


def in_short(run: Run) -> str:
    """Return the outcome as one line, for a commit status."""
    return ENDINGS[run.outcome or Outcome.LOST].sentence


def change_body(run: Run, task: Task, page: str, *, secrets: Sequence[str]) -> str:
    """Write the text of the change that the bot opens, without anything that only members may read."""
    link = f"[Task `{task.id}`]({page})"
    if is_confidential(task, run):
        return link
    parts = [f"Made for {reference(task.thread)}, asked by {run.asked_by.login}:"]
    parts += [for_comment(run.request, _REQUEST, secrets), _summary(run, secrets), link]
    return "\n\n".join(part for part in parts if part)


def _summary(run: Run, secrets: Sequence[str]) -> str:
    return "The agent says:\n\n" + for_comment(run.summary, _SUMMARY, secrets) if run.summary else ""


def _fresh_clone(*, started_over: bool, host_lost: bool) -> str:
    return (HOST_LOST if host_lost else STARTED_OVER) if started_over else ""


def _about(run: Run, task: Task, outcome: Outcome, pages: Pages) -> str:
    head = task.checked_head
    if outcome is Outcome.PUSHED:
        pushed = f"Branch {_branch(task, pages)} is at [`{head[:10]}`]({pages.commit.format(sha=head)})."
        if task.change_form != "link":
            return pushed
        page = pages.new_change.format(base=quote(task.base), branch=quote(task.branch))
        return f"{pushed} [Open a change from it]({page})."
    if outcome is Outcome.HELD:
        return f"Commit `{head[:10]}` touches {_paths(run.reason)}. Nothing was pushed."
    return ""


def _branch(task: Task, pages: Pages) -> str:
    return f"[`{task.branch}`]({pages.branch_at(task.branch)})"


def _paths(listed: str) -> str:
    """Cut a list of paths to the characters it may have, and count the omitted paths."""
    omitted = 0
    if counted := _COUNTED.search(listed):
        listed, omitted = f"{listed[: counted.start()]}`", int(counted[1].replace(",", ""))
    if len(listed) > _PATHS:
        shown, between, _ = listed[:_PATHS].rpartition("`, `")
        listed, omitted = f"{shown}`", omitted + listed.count(between) - shown.count(between)
    return f"{listed} and {omitted} more" if omitted else listed


def _facts(ended: EndedRun) -> str:
    run, task = ended.run, ended.task
    rows = [("Task", f"`{task.id}`, run {run.number}"), ("Agent", f"`{task.agent}`, {_duration(run)}")]
    if run.outcome is not Outcome.PUSHED and task.pushed_head:
        rows.append(("Branch", f"{_branch(task, ended.pages)}, unchanged at `{task.pushed_head[:10]}`"))
    if ended.spent and (text := used(ended.spent)):
        rows.append(("Used", text))
    if ended.workspace_until is not None:
        rows.append(("Workspace", f"kept until {moment(ended.workspace_until)}"))
    table = "\n".join(f"| {name} | {value} |" for name, value in rows)
    return f"| | |\n|---|---|\n{table}"


def _next_steps(ended: EndedRun, outcome: Outcome) -> list[str]:
    """Name the commands that help after this outcome, and the time at which the task continues by itself."""

    def on_thread(command: str) -> str:
        return f"`{next_command(command, ended.task, newest=ended.newest)}`"

    commands = [ended.next_command, ENDINGS[outcome].also]
    steps = ["Next: " + " or ".join(on_thread(command) for command in commands if command)]
    if ended.continues_at is not None:
        time = moment(ended.continues_at)
        steps.append(
            f"It continues by itself when the limit has ended, at {time}. {on_thread('/cancel')} stops that."
        )
    return steps


def _duration(run: Run) -> str:
    if run.started_at is None or run.ended_at is None:
        return "not started"
    return duration(run.ended_at - run.started_at)
