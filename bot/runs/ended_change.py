"""A task whose change was merged or closed: it leaves that branch for a new one.

A push to the old branch would be offered to nobody. The new branch begins at the head of the target branch;
commits that were not pushed are put on it.
"""

import re
from dataclasses import replace
from functools import partial
from itertools import count

import structlog

from bot.domain.change import BranchChange
from bot.domain.errors import ForgeError, ForgeUnavailable, GitFailed
from bot.domain.task import is_confidential
from bot.git.mirror import Mirror
from bot.git.run import Objects
from bot.reports import phrases
from bot.reports.command_syntax import reference_of_change
from bot.runs.leased_run import LeasedRun
from bot.runs.phases.export import export_plan
from bot.sandbox.export.transplant import transplant
from bot.store import leases
from bot.store import runs as run_rows
from bot.tasks.enqueue import branch_of

log = structlog.get_logger()


def ended_change(leased: LeasedRun) -> BranchChange | None:
    """Return the newest change of the task's branch if all its changes have ended; None if one is open.

    None, too, if the branch never had a change, or nothing of the task was pushed. Raises what the forge
    raises.
    """
    task = leased.task
    forge = leased.runtime.forge_of(task)
    if forge is None or not task.may_have_change:
        return None
    try:
        changes = leased.retry_or_abandon(lambda: forge.changes_of(task.thread, task.branch))
    except ForgeUnavailable:
        raise
    except ForgeError as error:
        # The project may have no merge requests, or the token may not list them: the bot opened none.
        if task.change_number is not None:
            raise
        log.warning("changes of the branch not listed", task=task.id, reason=str(error)[:200])
        return None
    return changes[0] if changes and all(each.ended for each in changes) else None


def leave_ended_change(leased: LeasedRun, source: Mirror) -> None:
    """Record that the task continues on a new branch if the change of its branch has ended.

    Each step is retried by itself. Raises GitFailed if there is no branch at which it could begin.
    """
    if change := ended_change(leased):
        base = _target(leased, source, change.base_branch)
        leased.retry(partial(_leave, leased, source, change, base))


def _leave(leased: LeasedRun, source: Mirror, change: BranchChange, base: str) -> None:
    task = leased.task
    branch = _new_branch(leased, source)
    left = task.pushed_head or task.base_head
    name = reference_of_change(task.thread, change.number)
    moved = phrases.moved(name, merged=change.merged, old_head=left, branch=branch, base=base)
    leased.record(
        {"moved": moved},
        branch=branch,
        base=base,
        base_head=source.head(base),
        checked_head=task.checked_head or task.base_head,
        left_head=left,
        pushed_head="",
        approved_head="",
        change_number=None,
        change_url="",
        change=_change_form(leased),
    )
    leased.run = replace(leased.run, moved=moved)


def _change_form(leased: LeasedRun) -> str:
    task = leased.task
    if not task.here:
        return task.change_form
    # `--here` opened no change, because there was one.
    return "none" if is_confidential(task, leased.run) else "link"


def transplanted(leased: LeasedRun, source: Mirror) -> str:
    """Return the commit at which the task's new branch begins, with the commits that were not pushed.

    Return "" if they conflict with the target branch, or if the task has not left a branch.
    """
    if not leased.task.left_head:
        return ""
    _repeat_reason(leased)
    # An agent that resolves conflicts merges the target branch as it is now.
    if (head := source.head(leased.task.base)) not in ("", leased.task.base_head):
        leased.record(base_head=head)
    task, runtime = leased.task, leased.runtime
    return transplant(
        Objects(runtime.quarantine(task.id), (source.path,), leased.check),
        export_plan(runtime, task, leased.run, source).style(),
        since=task.left_head,
        head=task.checked_head,
        onto=task.base_head,
    )


def _repeat_reason(leased: LeasedRun) -> None:
    """Record the reason for the new branch, if an earlier run left the old one and moved nothing."""
    if leased.run.moved:
        return
    with leased.runtime.ledger.write() as tx:
        reasons = [each.moved for each in run_rows.of_task(tx, leased.task.id) if each.moved]
        moved = reasons[-1] if reasons else ""
        leases.write(tx, leased.lease, moved=moved)
    leased.run = replace(leased.run, moved=moved)


def _target(leased: LeasedRun, source: Mirror, name: str) -> str:
    """Return this branch, or if it is gone the target of its own change, or the default branch.

    Raises GitFailed if none of them exists.
    """
    if leased.retry(partial(source.head, name)):
        return name
    forge, thread = leased.runtime.forge_of(leased.task), leased.task.thread
    changes = leased.retry_or_abandon(lambda: forge.changes_of(thread, name)) if forge else []
    names = [*(each.base_branch for each in changes), source.default_name]
    if found := leased.retry(lambda: next(filter(source.head, names), "")):
        return found
    raise GitFailed(f"There is no branch `{name}` in the repository, and no default branch.")


def _new_branch(leased: LeasedRun, source: Mirror) -> str:
    """Return the first free name: the task's branch with the next number."""
    task = leased.task
    branch = task.branch
    if task.here:  # a person has named that branch
        branch = branch_of(task.thread, task.id, named=not is_confidential(task, leased.run))
        if source.head(branch.split("/", 1)[0]):  # git allows no branches below it
            branch = branch.replace("/", "-")
        if not source.head(branch):
            return branch
    numbered = re.fullmatch(rf"(.*{re.escape(task.id)})-(\d+)", branch)
    root, number = (numbered[1], int(numbered[2])) if numbered else (branch, 1)
    names = (f"{root}-{each}" for each in count(number + 1))
    return next(name for name in names if not source.head(name))
