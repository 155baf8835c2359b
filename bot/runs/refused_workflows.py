"""The reason for which GitHub refused workflow files, and the remedy.

A token without the permission for them may push only workflow files that another branch has. So a task that
changes none of them is refused, too, if the default branch has changed them since the task began.
"""

from bot.domain.errors import GitFailed, WorkflowsRefused
from bot.git.mirror import Mirror
from bot.git.run import Objects
from bot.reports import phrases
from bot.runs.leased_run import LeasedRun

_FOLDER = ".github/workflows"


def explained(leased: LeasedRun, source: Mirror) -> WorkflowsRefused:
    """Return the refusal with its reason; `source` is the mirror after the refusal. Raises GitFailed."""
    task, default = leased.task, source.default_name
    objects = Objects(leased.runtime.quarantine(task.id), (source.path,), leased.check)
    # A merge of the default branch into work for another branch is not what anybody asked for.
    if _target(leased) == default and not _changes_workflows(
        objects, task.checked_head, source.head(default)
    ):
        return WorkflowsRefused(phrases.old_workflows(default), merge=default)
    return WorkflowsRefused(phrases.new_workflows(default))


def _target(leased: LeasedRun) -> str:
    """Return the branch that the work is for. On a change, `base` is the change's own branch."""
    task, forge = leased.task, leased.runtime.forge_of(leased.task)
    if not task.pinned or forge is None:
        return task.base
    changes = leased.retry_or_abandon(lambda: forge.changes_of(task.thread, task.base))
    return next((each.base_branch for each in changes if not each.ended), task.base)


def _changes_workflows(objects: Objects, head: str, default: str) -> bool:
    """Report whether the work itself changes workflow files."""
    try:
        began = objects.git("merge-base", head, default).decode().strip()
    except GitFailed:  # the default branch was replaced
        return True
    listed = objects.git("diff-tree", "-r", "--name-only", began, head, "--", _FOLDER)
    return bool(listed)
