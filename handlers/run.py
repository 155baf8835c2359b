"""`/run [instructions]`: a new task on this thread.

Without instructions, and for the label, the thread itself is the request. On a
change the work starts from the head the change has now, which the reply names:
what is pushed to it later is not part of it. `--here` pushes to the change itself.
"""

from bot.commands.router import Router
from bot.domain.command import Command, Need
from bot.reports.phrases import FOLLOW_UP, pinned, queue_position
from bot.tasks.verbs import Tasks

router = Router()


@router.command(
    "run",
    usage="/run [instructions]",
    help="starts a task: an agent works on it, and a branch comes back; with `--here` on a change, its own",
    options=("agent", "model", "base", "here", "timeout", "pr"),
    needs={Need.CHANGE_HEAD, Need.THREAD},
)
def run(command: Command, tasks: Tasks) -> str:
    """Open a task and put its first run in line."""
    queued = tasks.open(command)
    task = queued.task
    branch = f"Its branch will be `{task.branch}`."
    if task.here:
        branch = f"What it makes is pushed to this change's own branch, `{task.branch}`."
    lines = [f"Task `{task.id}` is {queue_position(queued.position)}. {branch}"]
    if task.pinned:
        lines.append(pinned(task.pinned))
    lines.append(FOLLOW_UP)
    return "\n\n".join(lines)
