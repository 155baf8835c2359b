"""The comment with the result of a run. Pure functions: rows in, Markdown out.

Its first line is the result, with the counts, the time and the cost. The next commands follow, and
facts that few people need are folded.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from bot.domain.change import Pages
from bot.domain.outcomes import ENDINGS, Outcome
from bot.domain.task import Run, Task
from bot.domain.usage import Spent
from bot.reports import next_steps
from bot.reports.command_syntax import change_reference, change_word
from bot.reports.outbox_messages import FinalMessage
from bot.reports.phrases import fresh_clone, name_of, session
from bot.reports.spending import cost, used
from bot.store.patches import Patch
from bot.text.patch_view import counts, folded
from bot.text.sanitize import fence, folded_quotation, for_comment
from bot.text.units import duration, moment

_CHANGE = "{change}"  # stands for the link of a change that is not open yet
_REQUEST = 1_000  # characters of the request that are quoted
_REASON = 4_000
_SUMMARY = 20_000
_SUMMARY_LINES = 20  # of the summary are shown, the others are folded
_PATCH = 20_000  # characters of the folded patch of a commit that awaits approval
_PATHS = 10_000  # characters of all paths together; a single path has at most 4,096
_COUNTED = re.compile(r"… and ([0-9,]+) more$")  # the end of a list that the export has cut
_EXIT_STATUS = re.compile(r"It ended with (exit status \d+)\.")
_NOT_EXPORTED = (
    "On a change, files that instruct agents (`AGENTS.md`, `CLAUDE.md` and the like) can be changed by "
    "people only: an agent's changes to them are not exported."
)
_LIMITS = {  # the setting of the limit that a run has reached
    Outcome.TIMED_OUT: "[sandbox] wall_limit",
    Outcome.IDLE: "[sandbox] idle_limit",
    Outcome.OUT_OF_MEMORY: "[sandbox] memory",
    Outcome.OVER_BUDGET: "[budget]",
}
# The agent's output may explain these outcomes. True: it is shown, and not folded.
_WITH_OUTPUT = {
    Outcome.AGENT_FAILED: True,
    Outcome.OUT_OF_MEMORY: True,
    Outcome.TIMED_OUT: False,
    Outcome.IDLE: False,
    Outcome.OUTPUT_LIMIT: False,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class EndedRun:
    """The facts that the final comment of a run reports. Times are seconds since the epoch."""

    run: Run  # with the title and the summary of the agent whose work it is about
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
    patch: Patch | None = None  # all changes of the task, as this run left them; None = none was saved
    output: str = ""  # the last lines of the agent's output, cleaned
    approved: bool = False  # the run pushes what its requester has approved
    why_protected: Callable[[str], str] = lambda _: ""  # the reason for which a path is protected


def final(ended: EndedRun, secrets: Sequence[str]) -> FinalMessage:
    """Write the final comment. `with_change` completes it when the change was opened or refused."""
    outcome = _outcome(ended)
    parts = [
        _explanation(ended, secrets),
        _paths_and_patch(ended) if outcome is Outcome.HELD else "",
        folded_quotation(ended.run.summary, _SUMMARY_LINES, _SUMMARY, secrets),
        ended.run.unexported,
        ended.run.moved,
        fresh_clone(started_over=ended.started_over, host_lost=ended.host_lost),
        session(ended.run),
        _output(ended) if outcome in _WITH_OUTPUT else "",
        next_steps.write(
            next_steps.Situation(
                task=ended.task,
                run=ended.run,
                outcome=outcome,
                next_command=ended.next_command,
                newest=ended.newest,
                kept_until=ended.workspace_until,
                changes=_size(ended),
                continues_at=ended.continues_at,
            )
        ),
        _facts(ended, secrets),
    ]
    pushed = outcome is Outcome.PUSHED
    return FinalMessage(
        lead=_pushed(ended) if pushed else _lead(ended, ENDINGS[outcome].sentence, _status(ended)),
        rest="\n\n".join(part for part in parts if part),
        opened=_with_change(ended) if pushed and ended.task.change_form in ("draft", "ready") else "",
    )


def with_change(message: FinalMessage, task: Task, refusal: str) -> str:
    """Complete the final comment with the task's change, or with the reason why it was not opened."""
    lead, link = message.lead, f"[{change_reference(task)}]({task.change_url})"
    if task.change_number is not None and message.opened:
        lead = message.opened.replace(_CHANGE, link, 1)
    elif task.change_number is not None and message.opened is None:  # an older version wrote the message
        lead = f"{lead} The change is {link}."
    elif refusal:
        lead = f"{lead}\n\nThe {change_word(task.thread.forge)} could not be opened: {refusal}"
    return f"{lead}\n\n{message.rest}"


def in_short(run: Run, patch: Patch | None) -> str:
    """Return the result as one line, for a commit status."""
    size = _sized(patch) if run.outcome is Outcome.PUSHED else ""
    return f"Pushed: {size}" if size else ENDINGS[run.outcome or Outcome.LOST].sentence


def _outcome(ended: EndedRun) -> Outcome:
    return ended.run.outcome or Outcome.LOST


def _lead(ended: EndedRun, what: str, more: str = "") -> str:
    """Write the first line: the result, then the time, the cost and the link to the log."""
    run = ended.run
    facts = [f"{ENDINGS[_outcome(ended)].mark} **{what.removesuffix('.')}**{more}"]
    if run.started_at is not None and run.ended_at is not None:
        facts.append(duration(run.ended_at - run.started_at))
    if ended.spent and (dollars := cost(ended.spent)):
        facts.append(dollars)
    return " · ".join([*facts, f"[log]({ended.page})"])


def _status(ended: EndedRun) -> str:
    """Return the agent's exit status for the first line, if the reason says no more than that."""
    match = _EXIT_STATUS.fullmatch(ended.run.reason)
    return f" ({match[1]})" if match and _outcome(ended) is Outcome.AGENT_FAILED else ""


def _pushed(ended: EndedRun) -> str:
    task = ended.task
    size = f": {text}" if (text := _sized(ended.patch)) else ""
    what = f"Pushed to {_branch(task, ended.pages)}"
    if ended.approved:
        what = f"Approved by {name_of(ended.run.asked_by)}, and pushed to {_branch(task, ended.pages)}"
    lead = _lead(ended, what, size)
    if task.change_form != "link":
        return lead
    page = ended.pages.new_change.format(base=quote(task.base), branch=quote(task.branch))
    return f"{lead}\n\n[Open a {change_word(task.thread.forge)} from it]({page})."


def _with_change(ended: EndedRun) -> str:
    """Write the first line for the case that the branch has a change; `_CHANGE` stands for its link."""
    task = ended.task
    is_new, word = task.change_number is None, change_word(task.thread.forge)
    draft = "draft " if is_new and task.change_form == "draft" else ""
    what = f"{'Opened' if is_new else 'Updated'} {draft}{word} {_CHANGE}"
    if ended.approved:
        what = f"Approved by {name_of(ended.run.asked_by)}: {what[0].lower()}{what[1:]}"
    size = _sized(ended.patch)
    return _lead(ended, what, f": {'' if is_new else 'now '}{size}" if size else "")


def _explanation(ended: EndedRun, secrets: Sequence[str]) -> str:
    """Quote the reason of the outcome, and name the setting of a limit that was reached."""
    outcome, run = _outcome(ended), ended.run
    if outcome in (Outcome.PUSHED, Outcome.HELD) or _status(ended):
        return ""
    parts = [for_comment(run.reason, _REASON, secrets)]
    if outcome is Outcome.NO_CHANGES and ended.task.pinned:
        parts.append(_NOT_EXPORTED)
    if setting := _LIMITS.get(outcome):
        parts.append(f"An operator can raise the limit: `{setting}` in the bot's settings.")
    return "\n\n".join(part for part in parts if part)


def _paths_and_patch(ended: EndedRun) -> str:
    """List the protected paths, each with the reason for its protection, and fold the patch below them."""
    commit = f"Commit `{ended.task.checked_head[:10]}` was not pushed, because it changes:"
    parts = [commit, _path_list(ended)]
    if ended.patch and ended.patch.text:
        parts.append(folded(ended.patch.text, _PATCH, is_open=True))
    return "\n\n".join(parts)


def _path_list(ended: EndedRun) -> str:
    """List as many paths as the characters allow, and count the others."""
    paths = ended.run.reason.strip("`").split("`, `")
    omitted = 0
    if counted := _COUNTED.fullmatch(paths[-1]):
        omitted = int(counted[1].replace(",", ""))
        paths.pop()
    lines: list[str] = []
    size = 0
    for path in paths:
        reason = ended.why_protected(path)
        line = f"- `{path}`" + (f" ({reason})" if reason else "")
        size += len(line)
        if lines and size > _PATHS:
            break
        lines.append(line)
    omitted += len(paths) - len(lines)
    return "\n".join([*lines, *([f"- and {omitted:,} more"] if omitted else [])])


def _output(ended: EndedRun) -> str:
    if not ended.output:
        return ""
    lines = ended.output.count("\n") + 1
    is_open = " open" if _WITH_OUTPUT[_outcome(ended)] else ""
    title = "Last line of the output" if lines == 1 else f"Last {lines} lines of the output"
    ends = fence(ended.output)
    return f"<details{is_open}><summary>{title}</summary>\n\n{ends}text\n{ended.output}\n{ends}\n\n</details>"


def _facts(ended: EndedRun, secrets: Sequence[str]) -> str:
    """Fold the facts of the run: its branch, its agent, its workspace, and its request."""
    run, task = ended.run, ended.task
    rows = [_branch_and_commit(ended)]
    model = f", model `{task.model}`" if task.model else ""
    usage = f": {text}" if ended.spent and (text := used(ended.spent)) else ""
    rows.append(f"Agent `{task.agent}`{model}{usage}")
    if ended.workspace_until is not None:
        rows.append(f"Workspace kept until {moment(ended.workspace_until)}")
    title = f"Task {task.id}, run {run.number}, asked by {name_of(run.asked_by)}"
    parts = [
        f"<details><summary>{title}</summary>",
        "\n".join(f"- {row}" for row in rows if row),
        for_comment(run.request, _REQUEST, secrets),
        "</details>",
    ]
    return "\n\n".join(part for part in parts if part)


def _branch_and_commit(ended: EndedRun) -> str:
    task = ended.task
    if not task.pushed_head:
        return ""
    head = f"[`{task.pushed_head[:10]}`]({ended.pages.commit.format(sha=task.pushed_head)})"
    unchanged = "" if _outcome(ended) is Outcome.PUSHED else ", unchanged"
    return f"Branch {_branch(task, ended.pages)} at {head}{unchanged}"


def _branch(task: Task, pages: Pages) -> str:
    return f"[`{task.branch}`]({pages.branch_at(task.branch)})"


def _size(ended: EndedRun) -> str:
    """Return the counts of files and lines that the task has changed so far; "" if there are none."""
    return counts(ended.patch.text) if ended.patch else ""


def _sized(patch: Patch | None) -> str:
    if patch is None or not (size := counts(patch.text)):
        return ""
    return f"{patch.commits} commit{'' if patch.commits == 1 else 's'}, {size}" if patch.commits else size
