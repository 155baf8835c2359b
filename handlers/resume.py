"""`/resume [more instructions]`: continue a task from the end of its last run.

The workspace of a task is kept for some days. Resuming queues the same task again, and the worker
mounts the same clone, so that the agent finds its uncommitted work and its notes unchanged.
"""

from bot.commands.router import Router
from bot.domain.command import Command, Need
from bot.reports.phrases import FOLLOW_UP, NOTES_LOST, fresh_start, queue_position
from bot.tasks.verbs import Tasks

router = Router()


@router.command(
    "resume",
    usage="/resume [more instructions]",
    help="continues the newest task of this thread in its own workspace; without instructions, "
    "repeats the push if the push had begun, else the whole run",
    options=("task", "agent", "model", "timeout"),
    needs={Need.THREAD},
)
def resume(command: Command, tasks: Tasks) -> str:
    """Queue one more run of a task of this thread."""
    queued = tasks.resume(command)
    task = queued.task
    what = "Trying again to push the work of" if queued.only_push else "Resuming"
    # If that change has ended, prepare chooses another branch.
    where = "" if task.may_have_change and not queued.only_push else f" on `{task.branch}`"
    lines = [
        f"{what} task `{task.id}`{where}: {queue_position(queued.position)}.",
        FOLLOW_UP,
    ]
    if command.options.agent or command.options.model:
        model = f", with the model `{queued.task.model}`" if queued.task.model else ""
        lines.insert(1, f"`{queued.task.agent}` works on it{model}.")
    if queued.workspace_gone and not queued.only_push:
        lines.insert(
            1,
            f"Its workspace was removed: {NOTES_LOST}. "
            f"The run starts from {fresh_start(queued.task)} in a fresh clone.",
        )
    return "\n\n".join(lines)
