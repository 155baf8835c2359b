"""Workspaces: which host has the folder of a task, and until when it is kept."""

from dataclasses import dataclass

from sqlalchemy import Connection, and_, case, exists, func, select, update

from bot.domain.lifecycle import State
from bot.domain.task import Run
from bot.store.ledger import clock, insert_new
from bot.store.removals import MOST_DEATHS
from bot.store.schema import removals, runs, tasks, workspaces

# The attempts at a workspace's folder: the folder has the task's name.
_ATTEMPTS = and_(removals.c.host == workspaces.c.host, removals.c.folder == workspaces.c.task)


@dataclass(frozen=True, slots=True)
class WorkspaceRow:
    """A workspace's row. Times are seconds since the epoch; keep_until None: in use."""

    task: str
    host: str
    created_at: float
    keep_until: float | None
    removed_at: float | None
    lost: bool  # the one before it was on a host that was not heard of any more


def mark_in_use(tx: Connection, task_id: str, host: str) -> None:
    """A run of the task begins here: the workspace exists on this host and has no end.

    Deaths during earlier attempts to remove it count no longer: the run changes what is in it.
    """
    now = clock(tx)
    row = {"task": task_id, "host": host, "created_at": now}
    not_removed = workspaces.c.removed_at.is_(None)
    still_there = and_(not_removed, workspaces.c.host == host)
    if tx.execute(insert_new(tx, workspaces).values(row)).rowcount == 0:
        tx.execute(
            update(workspaces)
            .where(workspaces.c.task == task_id)
            .values(
                host=host,
                created_at=case((still_there, workspaces.c.created_at), else_=now),
                keep_until=None,
                removed_at=None,
                lost=case((still_there, workspaces.c.lost), else_=not_removed),
            )
        )
    attempts = update(removals).where(removals.c.host == host, removals.c.folder == task_id)
    tx.execute(attempts.values(deaths=0, overruns=0, due_at=0))


def retain(tx: Connection, task_id: str, until: float | None) -> None:
    """Keep it until then; None: while a run waits for it. A workspace that never was is left so."""
    tx.execute(update(workspaces).where(workspaces.c.task == task_id).values(keep_until=until))


def get(tx: Connection, task_id: str) -> WorkspaceRow | None:
    row = tx.execute(select(workspaces).where(workspaces.c.task == task_id)).one_or_none()
    return None if row is None else WorkspaceRow(*row)


def lock(tx: Connection, task_id: str) -> WorkspaceRow | None:
    """As `get`; the row stays as it is until this transaction ends."""
    found = select(workspaces).where(workspaces.c.task == task_id).with_for_update()
    row = tx.execute(found).one_or_none()
    return None if row is None else WorkspaceRow(*row)


def is_recreated(tx: Connection, run: Run, row: WorkspaceRow | None) -> bool:
    """Did this run get a new workspace, although an agent had worked in one of its task before?"""
    if row is None or row.removed_at is not None or run.started_at is None:
        return False
    before = select(runs.c.id).where(
        runs.c.task == run.task, runs.c.number < run.number, runs.c.agent_started
    )
    return row.created_at >= run.started_at and bool(tx.execute(select(exists(before))).scalar_one())


def present(tx: Connection, host: str) -> list[WorkspaceRow]:
    """Every workspace this host has, oldest first."""
    rows = tx.execute(
        select(workspaces)
        .where(workspaces.c.host == host, workspaces.c.removed_at.is_(None))
        .order_by(workspaces.c.created_at)
    )
    return [WorkspaceRow(*row) for row in rows]


def past_retention(tx: Connection, host: str, limit: int) -> list[str]:
    """Tasks whose workspace on this host may go: one whose keep ends now may, too.

    Left out are those that are stuck, and those whose last attempt failed a short time ago.
    """
    now = clock(tx)
    rows = tx.execute(
        select(workspaces.c.task)
        .outerjoin(removals, _ATTEMPTS)
        .where(
            workspaces.c.host == host,
            workspaces.c.removed_at.is_(None),
            workspaces.c.keep_until <= now,
            func.coalesce(removals.c.deaths, 0) < MOST_DEATHS,
            func.coalesce(removals.c.due_at, 0) <= now,
        )
        .order_by(workspaces.c.keep_until)
        .limit(limit)
    )
    return list(rows.scalars())


def expendable(tx: Connection, host: str) -> list[str]:
    """Tasks whose workspace no run waits for: those that succeeded, then the others, each oldest first.

    Those that took too long to remove before come last. One during whose removal a process died is left
    to the janitor: the next death would be that of a run.
    """
    slow = case((func.coalesce(removals.c.overruns, 0) > 0, 1), else_=0)
    done = case((tasks.c.state == State.SUCCEEDED, 0), else_=1)
    rows = tx.execute(
        select(workspaces.c.task)
        .join_from(workspaces, tasks)
        .outerjoin(removals, _ATTEMPTS)
        .where(
            workspaces.c.host == host,
            workspaces.c.removed_at.is_(None),
            workspaces.c.keep_until.is_not(None),
            func.coalesce(removals.c.deaths, 0) == 0,
        )
        .order_by(slow, done, workspaces.c.created_at)
    )
    return list(rows.scalars())


def claim_removal(tx: Connection, task_id: str) -> bool:
    """Mark it removed before the files go. False: it is in use again, or gone already."""
    idle = update(workspaces).where(
        workspaces.c.task == task_id, workspaces.c.removed_at.is_(None), workspaces.c.keep_until.is_not(None)
    )
    return tx.execute(idle.values(removed_at=clock(tx))).rowcount == 1
