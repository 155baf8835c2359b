"""`/discard`: remove the workspace of a task now, before its retention ends.

The handler only ends the retention. The janitor of the host that has the files removes them.
"""

from bot.commands.router import Router
from bot.domain.command import Command
from bot.reports.phrases import NOTES_LOST, fresh_start
from bot.tasks.verbs import Tasks

router = Router()


@router.command(
    "discard",
    usage="/discard",
    help="removes the workspace of the newest task; pushed commits stay",
    options=("task",),
)
def discard(command: Command, tasks: Tasks) -> str:
    """End the retention of a workspace, and list the commits that stay."""
    task = tasks.discard(command)
    stays = []
    if task.pushed_head:
        stays.append(f"branch `{task.branch}` at `{task.pushed_head[:10]}`")
    if task.checked_head and task.checked_head != task.pushed_head:
        stays.append(f"the commits up to `{task.checked_head[:10]}`, which I have saved")
    lines = [f"The workspace of task `{task.id}` is being removed: {NOTES_LOST}."]
    if stays:
        lines.append(f"These stay: {' and '.join(stays)}.")
    lines.append(f"`/resume` would start from {fresh_start(task)} in a fresh clone.")
    return "\n\n".join(lines)
