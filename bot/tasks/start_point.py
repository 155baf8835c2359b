"""Where the work of a new task begins, and for which branch it is: of issues, of changes, of forks."""

from dataclasses import replace

from bot.domain.change import ChangeHead
from bot.domain.command import Command, Options
from bot.domain.errors import NotPossible, NotUnderstood
from bot.tasks.enqueue import TaskPlan


def starting_point(command: Command, plan: TaskPlan, *, here: bool) -> TaskPlan:
    """The plan with its base. Raises NotPossible, NotUnderstood on options that do not fit the thread.

    On a change the work begins at the head as it stood when we asked, and is for the change's own branch;
    a fork's branch is not ours to write to, so there the work is for the branch the change is for. `here`:
    what is made is pushed to the change's own branch, too.
    """
    change, options = command.change, command.options
    if change is None:
        if here:
            raise NotPossible("`--here` is for changes: an issue has no branch of its own to push to.")
        return replace(plan, base=options.base or plan.base)
    if options.base:
        raise NotPossible("`--base` is for issues: work on a change starts from the change's own branch.")
    if not change.open:
        raise NotPossible("This change is closed or merged. Say it on one that is open, or on an issue.")
    plan = replace(plan, pinned=change.head)
    if change.same_repository:
        plan = replace(plan, base=change.head_branch)
        return _onto_its_own_branch(plan, change, options) if here else plan
    if here:
        raise NotPossible(
            "This change comes from a fork, and I push to none. Without `--here` the work goes to a branch "
            "of this repository."
        )
    return replace(plan, base=change.base_branch, fork=True)


def _onto_its_own_branch(plan: TaskPlan, change: ChangeHead, options: Options) -> TaskPlan:
    """What `--here` makes of a plan."""
    if options.pr:
        raise NotUnderstood("`--here` pushes to this change and opens no other: leave `--pr` out.")
    if change.head_branch == change.default_branch:
        raise NotPossible(
            "The branch of this change is the repository's default branch, to which I never push. Without "
            "`--here` the work goes to a branch of its own."
        )
    return replace(plan, branch=change.head_branch, change="none")
