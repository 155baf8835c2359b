"""Phase push: push the checked head from the quarantine to the remote."""

from functools import partial

import structlog

from bot.domain.errors import (
    ChangeEnded,
    ForgeError,
    GitFailed,
    NotAllowed,
    ProcessKilled,
    PushRejected,
    RemoteMissing,
    WorkflowsRefused,
)
from bot.domain.outcomes import RunVerdict
from bot.git import push as git_push
from bot.git.mirror import Mirror
from bot.reports import phrases
from bot.reports.command_syntax import reference_of_change
from bot.runs.ended_change import ended_change
from bot.runs.leased_run import LeasedRun
from bot.runs.phases.prepare import credentials, fetch
from bot.runs.refused_workflows import explained
from bot.runs.renamed_repository import record_rename

log = structlog.get_logger()


def push(leased: LeasedRun, source: Mirror) -> RunVerdict:
    """Push the checked head to the task's branch, and record it.

    Raises NotAllowed if the requester may not write to the repository any more, ChangeEnded if the branch's
    change has ended, and PushRejected, RemoteMissing and others if the remote does not take the push.
    """
    _require_permission(leased)
    _require_open_change(leased, source)
    oid = leased.task.checked_head
    try:
        _push_or_follow_rename(leased, source)
    except WorkflowsRefused as error:
        raise _explained(leased, error) from error
    except PushRejected as error:
        # The fetch also shows the branch's new commits to the next run's agent. The head may be our own
        # commit, pushed by a worker that died after the push.
        if not error.moved or leased.retry(partial(fetch(leased).head, leased.task.branch)) != oid:
            raise
    leased.record(pushed_head=oid, approved_head="")
    return RunVerdict()


def _push_or_follow_rename(leased: LeasedRun, source: Mirror) -> None:
    try:
        leased.retry(partial(_push_from, leased, source))
    except RemoteMissing:
        if not record_rename(leased):
            raise
        leased.retry(partial(_push_from, leased, fetch(leased)))


def _explained(leased: LeasedRun, refusal: WorkflowsRefused) -> WorkflowsRefused:
    """Return the refusal with its reason; as it is if the reason cannot be found now."""
    try:
        return explained(leased, fetch(leased))
    except (ForgeError, GitFailed, ProcessKilled) as error:
        log.warning("refusal of workflow files not explained", reason=str(error)[:200])
        return refusal


def _require_permission(leased: LeasedRun) -> None:
    """Raise NotAllowed if the requester has lost write access since the command, or ForgeUnavailable."""
    requester, thread = leased.run.asked_by, leased.task.thread
    forge = leased.runtime.forge_of(leased.task)
    if forge is None or leased.by_operator:
        return
    if not leased.retry_or_abandon(lambda: forge.may_write(thread, requester)):
        raise NotAllowed(f"{requester.login} may not write to this repository any more.")


def _require_open_change(leased: LeasedRun, source: Mirror) -> None:
    """Raise ChangeEnded if the change of the branch has ended and the branch does not have the head yet."""
    task = leased.task
    if leased.retry(partial(source.head, task.branch)) == task.checked_head:
        return  # pushed by a worker that died after the push
    if change := ended_change(leased):
        raise ChangeEnded(
            phrases.not_pushed(reference_of_change(task.thread, change.number), merged=change.merged)
        )


def _push_from(leased: LeasedRun, source: Mirror) -> None:
    """Push once, to the remote of this mirror, if its branch is still as the mirror has it."""
    task = leased.task
    git_push.push(
        quarantine=leased.runtime.quarantine(task.id),
        mirror=source.path,
        url=source.url,
        headers=credentials(leased),
        branch=task.branch,
        oid=task.checked_head,
        expected=source.head(task.branch),
        never={source.default_name},
        since=(task.pushed_head or task.pinned) if task.here else "",
        check=leased.check,
    )
