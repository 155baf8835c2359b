"""`/cancel`: stop a task. Its work stays in the workspace, and `/resume` continues it."""

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
    """Remove a waiting run from the queue, or ask a running one to stop."""
    task = tasks.cancel(command)
    if task.state is State.CANCELLED:
        return f"Task `{task.id}` is cancelled; its run had not started. `/resume` queues it again."
    return f"Stopping task `{task.id}`. Nothing is pushed, the workspace is kept, `/resume` continues."
