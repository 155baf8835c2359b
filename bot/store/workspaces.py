"""Workspaces: the host of each task's folder, and the time until which the folder is retained."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, and_, case, exists, func, select, update

from bot.domain.lifecycle import State
from bot.domain.task import Run
from bot.store import claims
from bot.store.ledger import clock, insert_new
from bot.store.removals import MOST_DEATHS
from bot.store.schema import removals, runs, tasks, workspaces

# Attempts to remove a workspace's folder, which has the task's id as its name.
_ATTEMPTS = and_(removals.c.host == workspaces.c.host, removals.c.folder == workspaces.c.task)


@dataclass(frozen=True, slots=True)
class WorkspaceRow:
    """A workspace's row. Times are seconds since the epoch; `keep_until` is None while it is in use."""

    task: str
    host: str
    created_at: float
    keep_until: float | None
    removed_at: float | None
    lost: bool  # the task's workspace before this one was on a host that became unresponsive
    uid: int | None  # the user id of its files and containers; None = the first one of the settings


def mark_in_use(tx: Connection, task_id: str, host: str, uids: Sequence[int] = ()) -> int | None:
    """Record that a run of the task uses the workspace on this host, without a time limit.

    A new workspace gets one of `uids` that no running run has, and as few workspaces as possible. Return the
    workspace's user id, None if `uids` is empty, or was empty when the workspace was made. Earlier failed
    attempts to remove the workspace no longer count, because the run changes its content.
    """
    now = clock(tx)
    uid = _free_uid(tx, task_id, host, uids) if uids else None
    row = {"task": task_id, "host": host, "created_at": now, "uid": uid}
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
                uid=case((still_there, workspaces.c.uid), else_=uid),
            )
        )
    attempts = update(removals).where(removals.c.host == host, removals.c.folder == task_id)
    tx.execute(attempts.values(deaths=0, overruns=0, due_at=0))
    mine: int | None = tx.execute(select(workspaces.c.uid).where(workspaces.c.task == task_id)).scalar_one()
    return mine


def _free_uid(tx: Connection, task_id: str, host: str, uids: Sequence[int]) -> int:
    claims.exclude_claimers(tx)
    uid = func.coalesce(workspaces.c.uid, uids[0])
    present = and_(workspaces.c.host == host, workspaces.c.removed_at.is_(None))
    counts = select(uid.label("uid"), func.count().label("number")).where(present).group_by(uid)
    number = {row.uid: row.number for row in tx.execute(counts)}
    at_work = select(uid).join(runs, runs.c.task == workspaces.c.task)
    running = and_(runs.c.state == State.RUNNING, runs.c.host == host, runs.c.task != task_id)
    busy = set(tx.execute(at_work.where(running, workspaces.c.host == host)).scalars())
    return min(uids, key=lambda each: (each in busy, number.get(each, 0)))


def retain(tx: Connection, task_id: str, until: float | None) -> None:
    """Retain the workspace until this time; None = as long as a run needs it. Does nothing without a row."""
    tx.execute(update(workspaces).where(workspaces.c.task == task_id).values(keep_until=until))


def get(tx: Connection, task_id: str) -> WorkspaceRow | None:
    """Return the row; None if the task never had a workspace."""
    row = tx.execute(select(workspaces).where(workspaces.c.task == task_id)).one_or_none()
    return None if row is None else WorkspaceRow(*row)


def lock(tx: Connection, task_id: str) -> WorkspaceRow | None:
    """Lock and return the row, as `get`: nobody else changes it until the transaction ends."""
    query = select(workspaces).where(workspaces.c.task == task_id).with_for_update()
    row = tx.execute(query).one_or_none()
    return None if row is None else WorkspaceRow(*row)


def is_recreated(tx: Connection, run: Run, row: WorkspaceRow | None) -> bool:
    """Report whether this run got a new workspace although an agent had worked for its task before."""
    if row is None or row.removed_at is not None or run.started_at is None:
        return False
    before = select(runs.c.id).where(
        runs.c.task == run.task, runs.c.number < run.number, runs.c.agent_started
    )
    return row.created_at >= run.started_at and bool(tx.execute(select(exists(before))).scalar_one())


def present(tx: Connection, host: str) -> list[WorkspaceRow]:
    """Return all workspaces on this host, oldest first."""
    rows = tx.execute(
        select(workspaces)
        .where(workspaces.c.host == host, workspaces.c.removed_at.is_(None))
        .order_by(workspaces.c.created_at)
    )
    return [WorkspaceRow(*row) for row in rows]


def past_retention(tx: Connection, host: str, limit: int) -> list[str]:
    """Return up to `limit` tasks whose workspace on this host is past its retention time.

    Stuck workspaces are omitted, and those whose next attempt is not due yet.
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
    """Return tasks whose workspace no run needs: succeeded tasks first, then the others, each oldest first.

    Workspaces whose removal took too long before come last. Workspaces during whose removal a process died
    are omitted and left to the janitor, because the next death would end a run.
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
    """Mark the workspace removed before its files are deleted.

    Return False if it is in use again or removed already.
    """
    idle = update(workspaces).where(
        workspaces.c.task == task_id, workspaces.c.removed_at.is_(None), workspaces.c.keep_until.is_not(None)
    )
    return tx.execute(idle.values(removed_at=clock(tx))).rowcount == 1
