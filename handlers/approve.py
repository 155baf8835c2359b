"""`/approve [commit]`: push a commit that awaits approval because it touches protected paths.

An approval is for one commit. Naming the commit makes sure that it is the one that was reviewed.
"""

from bot.commands.router import Router
from bot.domain.command import Command
from bot.reports.phrases import queue_position
from bot.tasks.verbs import Tasks

router = Router()


@router.command(
    "approve",
    usage="/approve [commit]",
    help="pushes the commit that awaits approval",
    options=("task",),
)
def approve(command: Command, tasks: Tasks) -> str:
    """Queue a run that only pushes."""
    queued = tasks.approve(command)
    task = queued.task
    return (
        f"Commit `{task.approved_head}` of task `{task.id}` is approved. "
        f"Its push to `{task.branch}` is {queue_position(queued.position)}."
    )
