"""`/retry`: run the same instructions again in a fresh workspace.

The reply is that of a new `/run`: on a change, the new task works on the change's present head. The old
task and its workspace stay unchanged.
"""

from bot.commands.router import Router
from bot.domain.command import Command, Need
from bot.domain.errors import NotUnderstood
from bot.reports.phrases import FOLLOW_UP, pinned, queue_position
from bot.tasks.verbs import Tasks

router = Router()


@router.command(
    "retry",
    usage="/retry",
    help="repeats the first instructions of the newest task, as a new task in a fresh workspace",
    options=("task", "agent", "model", "timeout"),
    needs={Need.CHANGE_HEAD},
)
def retry(command: Command, tasks: Tasks) -> str:
    """Open a task with the first instructions of another one, and queue its first run."""
    if command.text:
        raise NotUnderstood(
            "`/retry` takes no instructions: it repeats the first ones. `/run <instructions>` starts "
            "with other ones, `/resume <instructions>` continues from the present state."
        )
    queued, old = tasks.retry(command)
    task = queued.task
    lines = [
        f"Task `{task.id}` repeats the first instructions of task `{old.id}`. "
        f"It is {queue_position(queued.position)}. "
        f"Its branch will be `{task.branch}`.",
        f"Task `{old.id}` stays as it is: `/resume --task {old.id}` continues it.",
        FOLLOW_UP,
    ]
    if task.pinned:
        lines.insert(1, pinned(task.pinned))
    return "\n\n".join(lines)
