"""`/diff`: the changes of a task since the commit that it started from.

The workspace itself is not read: it may be on another host, and agents have written to it. Each run
saves a patch in the ledger when it ends, and the reply shows the last one.
"""

from bot.commands.router import Router
from bot.domain.command import Command
from bot.domain.errors import NotPossible
from bot.domain.lifecycle import ENDED
from bot.domain.outcomes import Outcome
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
    """Show the last saved patch, folded, with a link to the whole of it."""
    view = tasks.patch(command)
    task, patch = view.standing.task, view.patch
    caveat = _caveat(view)
    if patch is None:
        raise NotPossible(f"{caveat} Task `{task.id}` has no changes to show.".strip())
    start = f"its start at commit `{task.base_head[:10]}`"
    lines = [caveat]
    if patch.text:
        size = "The whole patch" if patch.is_whole else f"The first {human(len(patch.text))} of the patch"
        lines += [f"After run {patch.number}, task `{task.id}` has these changes since {start}:"]
        lines += [folded(patch.text)]
        lines += [f"[{size}]({tasks.patch_url(task.id)})"]
    else:
        lines += [f"After run {patch.number}, task `{task.id}` has no changes since {start}."]
    return "\n\n".join(line for line in lines if line)


def _caveat(view: PatchView) -> str:
    """Explain why the patch may lack changes: a run has not ended or saved none, or the workspace is gone."""
    standing, patch = view.standing, view.patch
    task, run = standing.task, standing.run
    if task.state not in ENDED:
        doing = busy(standing.position)
        return f"Run {run.number} of task `{task.id}` {doing}. Its changes are shown when it has ended."
    if run.agent_started and (patch is None or patch.number < run.number):
        if run.outcome is Outcome.CANCELLED:
            return (
                f"Run {run.number} of task `{task.id}` was cancelled. Its work has not been taken out of the "
                "workspace yet, and stays there. `/resume` continues it."
            )
        return f"The work of run {run.number} of task `{task.id}` could not be exported from its workspace."
    if standing.workspace and standing.workspace.removed_at is not None:
        return f"The workspace of task `{task.id}` has been removed since."
    return ""
