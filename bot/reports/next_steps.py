"""The commands that help after a run, each with its effect."""

from dataclasses import dataclass

from bot.domain.outcomes import ENDINGS, Outcome
from bot.domain.task import Run, Task
from bot.reports.command_syntax import next_command
from bot.text.units import day, moment, time_limit

_RESUME = "continues with the files it left"
_RESUMES = {
    Outcome.NO_CHANGES: "asks for something else in the same workspace",
    Outcome.QUESTION: "answers it, and the agent continues",
    Outcome.OVER_BUDGET: "continues with the files it left; each run has a budget of its own",
    Outcome.PREPARE_FAILED: "tries it again",
    Outcome.PUSH_REJECTED: "tries the push again",
    Outcome.CHANGE_ENDED: "continues on a new branch",
    Outcome.REMOTE_MISSING: "tries it again when the repository is there",
    Outcome.LOST: "tries it again",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """The facts on which the next steps depend. Times are seconds since the epoch."""

    task: Task
    run: Run
    outcome: Outcome
    next_command: str  # with a leading slash, as in `ENDINGS`
    newest: bool  # the task is the newest of its thread
    kept_until: float | None  # None: the workspace is gone
    changes: str  # the counts of all changes of the task; "" = none to show
    continues_at: float | None  # when the task continues by itself


def write(situation: Situation) -> str:
    """List the commands with their effects, and the time at which the task continues by itself."""
    outcome = situation.outcome
    if outcome is Outcome.PUSHED:
        command = _on_thread(situation.next_command, situation)
        steps = f"Review it, or comment {command} to continue on the same branch."
    else:
        steps = "\n".join(
            f"- {_on_thread(each, situation)} {_effect(each, situation)}" for each in _commands(situation)
        )
    if situation.continues_at is None:
        return steps
    return (
        f"{steps}\n\nIt continues by itself when the limit has ended, at {moment(situation.continues_at)}. "
        f"{_on_thread('/cancel', situation)} stops that."
    )


def _commands(situation: Situation) -> list[str]:
    """Return the commands that can help: only changes can be shown, and a new task needs no old one."""
    commands = [situation.next_command]
    also = ENDINGS[situation.outcome].also
    if also and not situation.next_command.startswith("/run") and (also != "/diff" or situation.changes):
        commands.append(also)
    return commands


def _on_thread(command: str, situation: Situation) -> str:
    return f"`{next_command(command, situation.task, newest=situation.newest)}`"


def _effect(command: str, situation: Situation) -> str:
    """Return the effect of the command in this situation, as the end of a sentence."""
    word, _, text = command.partition(" ")
    kept = f" (kept until {day(situation.kept_until)})" if situation.kept_until is not None else ""
    match word:
        case "/approve":
            return "pushes the commit; anyone with write access may approve it"
        case "/diff":
            return f"shows the changes so far: {situation.changes}"
        case "/retry":
            return "starts again from a clean checkout"
        case "/run":
            return "starts again"
    if situation.outcome is Outcome.HELD:
        return "continues in the same workspace"
    if situation.outcome is Outcome.TIMED_OUT:
        return f"{_RESUME}{kept}, for up to another {time_limit(situation.run.wall_limit)}"
    if text.startswith("merge "):
        return "lets the agent merge it; after that the push is tried again"
    effect = _RESUMES.get(situation.outcome, _RESUME)
    return effect.replace("the files it left", f"the files it left{kept}") if kept else effect
