"""`/retry`: the same instructions in a fresh workspace.

A new task, as if `/run` had been said again: on a change it works on the head the
change has now. What the old task left stays as it is.
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
    help="gives the first instructions of the newest task again, to a new task in a fresh workspace",
    options=("task", "agent", "model", "timeout"),
    needs={Need.CHANGE_HEAD},
)
def retry(command: Command, tasks: Tasks) -> str:
    """Open a task that is asked what another was, and put its first run in line."""
    if command.text:
        raise NotUnderstood(
            "`/retry` takes no instructions: it gives the first ones again. "
            "`/run <instructions>` gives others, `/resume <instructions>` goes on from what there is."
        )
    queued, old = tasks.retry(command)
    task = queued.task
    lines = [
        f"Task `{task.id}` is asked again what task `{old.id}` was asked: {queue_position(queued.position)}. "
        f"Its branch will be `{task.branch}`.",
        f"What `{old.id}` left stays as it is: `/resume --task {old.id}` goes on there.",
        FOLLOW_UP,
    ]
    if task.pinned:
        lines.insert(1, pinned(task.pinned))
    return "\n\n".join(lines)
