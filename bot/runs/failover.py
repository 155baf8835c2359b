"""A task that was on another host, which is silent: what of it can be gone on with here.

Its workspace and its quarantine are on that host's disk. What is here is the
ledger, and what the remote has.
"""

from dataclasses import replace

from bot.domain.errors import GitFailed
from bot.domain.task import Task
from bot.git.bare_repository import make_bare
from bot.git.mirror import Mirror
from bot.runs.leased_run import LeasedRun
from bot.runs.runtime import Runtime
from bot.sandbox.export import take
from bot.sandbox.workspace import Workspaces
from bot.store import workspaces


def is_on_another_host(leased: LeasedRun) -> bool:
    """Is what this task had so far on another host?"""
    with leased.runtime.ledger.read() as tx:
        kept = workspaces.get(tx, leased.task.id)
    return kept is not None and kept.host != leased.runtime.worker.host


def begin_here(leased: LeasedRun, places: Workspaces, source: Mirror) -> None:
    """Let the task go on from what is at hand. Raises GitFailed where that is nothing."""
    task, runtime = leased.task, leased.runtime
    if not source.has(task.base_head):
        raise GitFailed(
            f"Commit {task.base_head[:10]}, where the task began, is not on the remote any more, and what "
            "was made of it was on another machine. `/run` starts from where the remote is now."
        )
    here = as_far_as_here(runtime, task, source)
    leased.record(
        checked_head=here.checked_head, pushed_head=here.pushed_head, approved_head=here.approved_head
    )
    # Of a time when the task was here before: the janitor has exported what it held.
    places.set_aside(task.id)


def as_far_as_here(runtime: Runtime, task: Task, source: Mirror) -> Task:
    """The task with those of its heads whose commits are here; else "", or what was pushed last."""
    quarantine = runtime.quarantine(task.id)
    make_bare(quarantine)

    def here(oid: str) -> str:
        return oid if oid and take.has(quarantine, source.path, oid) else ""

    pushed = here(task.pushed_head)
    return replace(
        task,
        pushed_head=pushed,
        checked_head=here(task.checked_head) or pushed,
        approved_head=here(task.approved_head),
    )
