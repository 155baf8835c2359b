"""Failover: a task of an unresponsive host continues on this one.

The workspace and the quarantine of the task are on the other host's disk. This host
has the ledger and the remote's commits.
"""

from dataclasses import replace

from bot.domain.errors import GitFailed
from bot.domain.task import Task
from bot.git.bare_repository import make_bare
from bot.git.mirror import Mirror
from bot.runs.leased_run import LeasedRun
from bot.runs.runtime import Runtime
from bot.sandbox.export import workspace_export
from bot.sandbox.workspace import Workspaces
from bot.store import workspaces


def is_on_another_host(leased: LeasedRun) -> bool:
    """Report whether the task's workspace is on another host."""
    with leased.runtime.ledger.read() as tx:
        row = workspaces.get(tx, leased.task.id)
    return row is not None and row.host != leased.runtime.worker.host


def begin_here(leased: LeasedRun, places: Workspaces, source: Mirror) -> None:
    """Let the task continue with the commits that are on this host.

    Raises GitFailed if the commit that the task started from is missing.
    """
    task, runtime = leased.task, leased.runtime
    if not source.has(task.base_head):
        raise GitFailed(
            f"Commit {task.base_head[:10]}, from which the task started, is not on the remote any more, and "
            "the task's work was on another machine. `/run` starts from the remote as it is now."
        )
    here = with_heads_of_host(runtime, task, source)
    leased.record(
        checked_head=here.checked_head,
        pushed_head=here.pushed_head,
        approved_head=here.approved_head,
        left_head=task.left_head if here.checked_head else "",
    )
    # A folder of the task on this host is from before the task moved away, and is outdated.
    places.set_aside(task.id)


def with_heads_of_host(runtime: Runtime, task: Task, source: Mirror) -> Task:
    """Return the task with only those heads whose commits are on this host, the others empty.

    A missing checked head becomes the pushed one.
    """
    quarantine = runtime.quarantine(task.id)
    make_bare(quarantine)

    def here(oid: str) -> str:
        return oid if oid and workspace_export.has(quarantine, source.path, oid) else ""

    pushed = here(task.pushed_head)
    return replace(
        task,
        pushed_head=pushed,
        checked_head=here(task.checked_head) or pushed,
        approved_head=here(task.approved_head),
    )
