"""`/status`: show the state of the tasks on this thread, and the commands that may follow."""

from bot.commands.router import Router
from bot.domain.command import Command
from bot.domain.lifecycle import ENDED
from bot.domain.outcomes import ENDINGS
from bot.reports.command_syntax import change_reference, next_command
from bot.reports.phrases import queue_position
from bot.tasks.verbs import Standing, Tasks
from bot.text.units import moment

router = Router()


@router.command("status", usage="/status", help="shows the state of the tasks on this thread")
def status(command: Command, tasks: Tasks) -> str:
    """Write one paragraph for each task, newest first."""
    standings = tasks.of_thread(command.thread)
    if not standings:
        return "There is no task on this thread. Start with `/run`."
    return "\n\n".join(_paragraph(standing, newest=standing is standings[0]) for standing in standings)


def _paragraph(standing: Standing, *, newest: bool) -> str:
    task = standing.task
    parts = [f"**Task `{task.id}`**, run {standing.run.number}: {_state(standing)}"]
    parts.append(f"Branch `{task.branch}`{_pushed(standing)}.")
    if task.change_number is not None:
        parts.append(f"Change {change_reference(task)}.")
    parts.append(_workspace(standing))
    commands = [next_command(each, task, newest=newest) for each in _next(standing)]
    parts.append(f"Next: {' or '.join(f'`{each}`' for each in commands)}")
    return " ".join(part for part in parts if part)


def _state(standing: Standing) -> str:
    if standing.position and standing.run.due_at is not None:
        return f"continues by itself after a provider's limit, at {moment(standing.run.due_at)}."
    if standing.position:
        return f"{queue_position(standing.position)}."
    if standing.task.state not in ENDED:
        return f"running, in phase {standing.run.phase}."
    outcome = standing.run.outcome
    return ENDINGS[outcome].sentence if outcome else f"{standing.task.state}."


def _pushed(standing: Standing) -> str:
    head = standing.task.pushed_head
    return f" at `{head[:10]}`" if head else ", not pushed yet"


def _workspace(standing: Standing) -> str:
    workspace = standing.workspace
    if workspace is None or standing.task.state not in ENDED:
        return ""
    if workspace.removed_at is not None:
        return "Its workspace was removed."
    if workspace.keep_until is None:
        return ""
    return f"Workspace kept until {moment(workspace.keep_until)}."


def _next(standing: Standing) -> list[str]:
    """List the commands that help in this state, the most useful first."""
    if standing.task.state not in ENDED:
        return ["/cancel"]
    if standing.run.outcome is None:
        return ["/resume"]
    ending = ENDINGS[standing.run.outcome]
    return [each for each in (ending.next, ending.also) if each]
