"""Workspaces: which host has the folder of a task, and until when it is kept."""

from dataclasses import dataclass

from sqlalchemy import Connection, and_, case, exists, select, update

from bot.model import Run, State
from bot.store.ledger import clock, insert_new
from bot.store.schema import runs, tasks, workspaces


@dataclass(frozen=True, slots=True)
class Kept:
    """A workspace's row. Times are seconds since the epoch; keep_until None: in use."""

    task: str
    host: str
    created_at: float
    keep_until: float | None
    removed_at: float | None
    lost: bool  # the one before it was on a host that was not heard of any more


def in_use(tx: Connection, task_id: str, host: str) -> None:
    """A run of the task begins here: the workspace exists on this host and has no end."""
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


def keep(tx: Connection, task_id: str, until: float | None) -> None:
    """Keep it until then; None: while a run waits for it. A workspace that never was is left so."""
    tx.execute(update(workspaces).where(workspaces.c.task == task_id).values(keep_until=until))


def get(tx: Connection, task_id: str) -> Kept | None:
    row = tx.execute(select(workspaces).where(workspaces.c.task == task_id)).one_or_none()
    return None if row is None else Kept(*row)


def is_made_again(tx: Connection, run: Run, kept: Kept | None) -> bool:
    """Did this run get a new workspace, although an agent had worked in one of its task before?"""
    if kept is None or kept.removed_at is not None or run.started_at is None:
        return False
    before = select(runs.c.id).where(
        runs.c.task == run.task, runs.c.number < run.number, runs.c.agent_started
    )
    return kept.created_at >= run.started_at and bool(tx.execute(select(exists(before))).scalar_one())


def present(tx: Connection, host: str) -> list[Kept]:
    """Every workspace this host has, oldest first."""
    rows = tx.execute(
        select(workspaces)
        .where(workspaces.c.host == host, workspaces.c.removed_at.is_(None))
        .order_by(workspaces.c.created_at)
    )
    return [Kept(*row) for row in rows]


def past_keep(tx: Connection, host: str, limit: int) -> list[str]:
    """Tasks whose workspace on this host may go: one whose keep ends now may, too."""
    rows = tx.execute(
        select(workspaces.c.task)
        .where(
            workspaces.c.host == host, workspaces.c.removed_at.is_(None), workspaces.c.keep_until <= clock(tx)
        )
        .order_by(workspaces.c.keep_until)
        .limit(limit)
    )
    return list(rows.scalars())


def expendable(tx: Connection, host: str) -> list[str]:
    """Tasks whose workspace no run waits for: those that succeeded, then the others, each oldest first."""
    done = case((tasks.c.state == State.SUCCEEDED, 0), else_=1)
    rows = tx.execute(
        select(workspaces.c.task)
        .join_from(workspaces, tasks)
        .where(
            workspaces.c.host == host, workspaces.c.removed_at.is_(None), workspaces.c.keep_until.is_not(None)
        )
        .order_by(done, workspaces.c.created_at)
    )
    return list(rows.scalars())


def claim_removal(tx: Connection, task_id: str) -> bool:
    """Mark it removed before the files go. False: it is in use again, or gone already."""
    idle = update(workspaces).where(
        workspaces.c.task == task_id, workspaces.c.removed_at.is_(None), workspaces.c.keep_until.is_not(None)
    )
    return tx.execute(idle.values(removed_at=clock(tx))).rowcount == 1
