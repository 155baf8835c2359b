"""`/cancel`: stop a task. What it has made stays where it is, for a `/resume`."""

from bot.commands.router import Router
from bot.domain.command import Command
from bot.domain.lifecycle import State
from bot.tasks.verbs import Tasks

router = Router()


@router.command(
    "cancel",
    usage="/cancel",
    help="stops the newest task of this thread that has not ended; its workspace is kept",
    options=("task",),
)
def cancel(command: Command, tasks: Tasks) -> str:
    """Take a waiting run out of the line, or ask a running one to stop."""
    task = tasks.cancel(command)
    if task.state is State.CANCELLED:
        return f"Task `{task.id}` is cancelled; its run had not begun. `/resume` queues it again."
    return f"Stopping task `{task.id}`. Nothing is pushed, the workspace is kept, `/resume` goes on."
