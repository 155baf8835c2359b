"""The comment that is edited in place while a run goes on. Pure functions: rows in, Markdown out."""

from collections.abc import Sequence

from bot.domain.lifecycle import Phase
from bot.domain.outcomes import ENDINGS, Outcome
from bot.domain.task import Run, Task
from bot.reports.phrases import fresh_clone, pinned, session
from bot.text.sanitize import for_line

_LINE = 200  # characters of a line of the agent's output
_STOPPING = "cancelled; stopping the agent and exporting its work"
DOING = {
    Phase.PREPARE: "preparing the workspace",
    Phase.AGENT: "running the agent",
    Phase.EXPORT: "exporting and checking the agent's work",
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
    host_lost: bool = False,
) -> str:
    """Write the comment that is edited in place while a run goes on."""
    doing = _STOPPING if run.cancel_asked else DOING[phase]
    parts = [f"Task `{task.id}`, run {run.number}: {doing} (`{task.agent}`)."]
    if task.pinned:
        parts.append(pinned(task.pinned[:10]))
    parts += [run.moved, fresh_clone(started_over=started_over, host_lost=host_lost), session(run)]
    if run.cancel_asked:
        pass
    elif phase is Phase.AGENT and run.doing:
        parts.append(f"At the moment: {for_line(run.doing, _LINE, secrets)}")
    elif last_line:
        parts.append(f"Last line of its output: {for_line(last_line, _LINE, secrets)}")
    return "\n\n".join(part for part in parts if part)


def over(run: Run, task: Task) -> str:
    """Write the last text of the comment that was edited in place."""
    outcome = ENDINGS[run.outcome or Outcome.LOST].sentence
    return f"Task `{task.id}`, run {run.number}, has ended: {outcome} A new comment has the details."
