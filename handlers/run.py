"""`/run [instructions]`: start a new task on this thread.

Without instructions, and for the label, the thread itself is the request. On a change, the work starts
from its present head, which the reply names; later pushes to the change are not part of the work.
`--here` pushes the work to the change's own branch.
"""

from bot.commands.router import Router
from bot.domain.command import Command, Need
from bot.reports.phrases import FOLLOW_UP, pinned, queue_position
from bot.tasks.verbs import Tasks

router = Router()


@router.command(
    "run",
    usage="/run [instructions]",
    help="starts a task: an agent does the work on a new branch; with `--here`, on the change's own branch",
    options=("agent", "model", "base", "here", "timeout", "pr"),
    needs={Need.CHANGE_HEAD, Need.THREAD},
)
def run(command: Command, tasks: Tasks) -> str:
    """Open a task and queue its first run."""
    queued = tasks.open(command)
    task = queued.task
    branch = f"Its branch will be `{task.branch}`."
    if task.here:
        branch = f"Its work is pushed to this change's own branch, `{task.branch}`."
    lines = [f"Task `{task.id}` is {queue_position(queued.position)}. {branch}"]
    if task.pinned:
        lines.append(pinned(task.pinned))
    lines.append(FOLLOW_UP)
    return "\n\n".join(lines)
