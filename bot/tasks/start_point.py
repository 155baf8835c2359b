"""The start point of a new task's work, and the branch that the work is for: on issues, changes and forks."""

from dataclasses import replace

from bot.domain.change import ChangeHead
from bot.domain.command import Command, Options
from bot.domain.errors import NotPossible, NotUnderstood
from bot.tasks.enqueue import RunRequest


def from_start_point(command: Command, request: RunRequest, *, here: bool) -> RunRequest:
    """Return the request with its base, pinned head and branch.

    On a change, the work begins at the head that the forge gave with the command, and is for the change's
    own branch. The bot does not write to a fork's branch: there the work is for the branch that the change
    is to be merged into. `here`: the work is pushed to the change's own branch, too.

    Raises NotPossible, or NotUnderstood, on options that do not fit the thread.
    """
    change, options = command.change, command.options
    if change is None:
        if here:
            raise NotPossible("`--here` is for changes: an issue has no branch of its own to push to.")
        return replace(request, base=options.base or request.base)
    if options.base:
        raise NotPossible("`--base` is for issues: work on a change starts from the change's own branch.")
    if not change.open:
        raise NotPossible(
            "This change is closed or merged. Give the command on an open change, or on an issue."
        )
    request = replace(request, pinned=change.head)
    if change.same_repository:
        request = replace(request, base=change.head_branch)
        return _onto_its_own_branch(request, change, options) if here else request
    if here:
        raise NotPossible(
            "This change comes from a fork, and I never push to a fork. Without `--here` the work goes "
            "to a branch of this repository."
        )
    return replace(request, base=change.base_branch, fork=True)


def _onto_its_own_branch(request: RunRequest, change: ChangeHead, options: Options) -> RunRequest:
    """Return the request with the change's branch as the branch to push to, for `--here`."""
    if options.pr:
        raise NotUnderstood("`--here` pushes to this change and opens no other: leave `--pr` out.")
    if change.head_branch == change.default_branch:
        raise NotPossible(
            "The branch of this change is the repository's default branch, to which I never push. Without "
            "`--here` the work goes to a branch of its own."
        )
    return replace(request, branch=change.head_branch, change_form="none")
