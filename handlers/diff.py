"""`/diff`: what the workspace of a task holds against the commit the task began at.

The workspace may be on another host, and an agent has had it: what is shown is the
patch that each run leaves in the ledger when it ends.
"""

from bot.commands.router import Router
from bot.domain.command import Command
from bot.domain.errors import NotPossible
from bot.domain.lifecycle import ENDED, Outcome
from bot.reports.phrases import busy
from bot.tasks.verbs import PatchView, Tasks
from bot.text.patch_view import folded
from bot.text.units import human

router = Router()


@router.command(
    "diff",
    usage="/diff",
    help="shows what the newest task has changed so far, pushed or not",
    options=("task",),
)
def diff(command: Command, tasks: Tasks) -> str:
    """The patch of the last run that left one, folded, and a link to all of it."""
    view = tasks.patch(command)
    task, patch = view.standing.task, view.patch
    missing = _not_shown(view)
    if patch is None:
        raise NotPossible(f"{missing} No run of task `{task.id}` has left anything to show.".strip())
    begun = f"commit `{task.base_head[:10]}`, where the task began"
    lines = [missing]
    if patch.text:
        size = "The whole patch" if patch.is_whole else f"The first {human(len(patch.text))} of the patch"
        lines += [f"Run {patch.number} of task `{task.id}` left this, against {begun}:", folded(patch.text)]
        lines += [f"[{size}]({tasks.patch_url(task.id)})"]
    else:
        lines += [f"What run {patch.number} of task `{task.id}` left is the same as {begun}."]
    return "\n\n".join(line for line in lines if line)


def _not_shown(view: PatchView) -> str:
    """Why the patch may not be what one expects: a run goes on or left none, or the workspace is gone."""
    standing, patch = view.standing, view.patch
    task, run = standing.task, standing.run
    if task.state not in ENDED:
        doing = busy(standing.position)
        return f"Run {run.number} of task `{task.id}` {doing}: what it makes is shown when it has ended."
    if run.agent_started and (patch is None or patch.number < run.number):
        if run.outcome is Outcome.CANCELLED:
            return (
                f"Run {run.number} of task `{task.id}` was cancelled. Its work has not been taken out of the "
                "workspace yet, and stays there. `/resume` goes on with it."
            )
        return f"What run {run.number} of task `{task.id}` left could not be taken out of its workspace."
    if standing.workspace and standing.workspace.removed_at is not None:
        return f"The workspace of task `{task.id}` was removed since."
    return ""
