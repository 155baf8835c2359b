"""The comment that is edited in place while a run goes on. Pure functions: rows in, Markdown out."""

from collections.abc import Sequence
from dataclasses import dataclass

from bot.domain.lifecycle import Phase
from bot.domain.outcomes import ENDINGS, Outcome
from bot.domain.task import Run, Task
from bot.reports.command_syntax import for_forge
from bot.reports.phrases import fresh_clone, pinned, session
from bot.text.sanitize import for_line

_LINE = 200  # characters of a line of the agent's output
_STOPPING = "stopping the agent and exporting its work"
DOING = {
    Phase.PREPARE: "preparing the workspace",
    Phase.AGENT: "agent",
    Phase.EXPORT: "checking the agent's work",
    Phase.PUSH: "pushing",
    Phase.REPORT: "done",
}
_TIMES = (1, 5, *range(15, 24 * 60, 15))  # minutes
_STEPS = [Phase.PREPARE, Phase.AGENT, Phase.EXPORT, Phase.PUSH]


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """The facts that the comment reports while a run goes on."""

    run: Run
    task: Task
    phase: Phase
    page: str  # address of the task's page
    seconds: float = 0.0  # since the start of the run
    started_over: bool = False
    host_lost: bool = False
    last_line: str = ""


def progress(state: Progress, secrets: Sequence[str]) -> str:
    """Write the comment that is edited in place while a run goes on."""
    run, task = state.run, state.task
    parts = [_first_line(state), _activity(state, secrets)]
    if task.pinned:
        parts.append(pinned(task.pinned[:10]))
    parts += [run.moved, fresh_clone(started_over=state.started_over, host_lost=state.host_lost)]
    stop = "" if run.cancel_asked else f" · `{for_forge('/cancel', task.thread.forge)}` stops it"
    parts += [session(run), f"<sub>Task `{task.id}`, run {run.number}{stop}</sub>"]
    return "\n\n".join(part for part in parts if part)


def short(state: Progress) -> str:
    """Return what the run does as one line, for a commit status."""
    if state.run.cancel_asked:
        return f"Cancelled: {_STOPPING}"
    minutes = _minutes(state.seconds)
    return f"Running: {DOING[state.phase]}{f', {minutes}' if minutes else ''}"


def _first_line(state: Progress) -> str:
    """Name the step, the time so far and the log."""
    log = f"[watch the log]({state.page})"
    if state.run.cancel_asked:
        return f"\u23f9\ufe0f **Cancelled**, {_STOPPING} · {log}"
    doing = DOING[state.phase]
    if state.phase is Phase.AGENT:
        doing += f" `{state.task.agent}`"
    step = f", step {_STEPS.index(state.phase) + 1} of {len(_STEPS)}" if state.phase in _STEPS else ""
    facts = [f"\u23f3 **Working on it**{step}: {doing}", _minutes(state.seconds), log]
    return " · ".join(fact for fact in facts if fact)


def _activity(state: Progress, secrets: Sequence[str]) -> str:
    if state.run.cancel_asked:
        return ""
    doing = state.run.doing if state.phase is Phase.AGENT else ""
    return for_line(doing or state.last_line, _LINE, secrets)


def _minutes(seconds: float) -> str:
    """Return the time in coarse steps: each of them is an edit, though nothing else may be new."""
    step = max((step for step in _TIMES if step * 60 <= seconds), default=0)
    return f"over {step} min" if step else ""


def over(run: Run, task: Task) -> str:
    """Write the last text of the comment that was edited in place."""
    outcome = ENDINGS[run.outcome or Outcome.LOST].sentence
    return f"Task `{task.id}`, run {run.number}, has ended: {outcome} A new comment has the details."
