"""Claiming runs: the next queued run for a worker, and runs to take over from dead workers."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, and_, func, or_, select, update

from bot.domain.lifecycle import State
from bot.domain.task import Run
from bot.store import hosts, tasks
from bot.store import runs as store_runs
from bot.store.hosts import UNRESPONSIVE_AFTER
from bot.store.leases import LEASE
from bot.store.ledger import clock
from bot.store.schema import runs, workspaces

_CLAIM_LOCK = select(func.pg_advisory_xact_lock(7018))


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """The worker that claims, with its limits."""

    host: str
    holder: str  # unique to one process
    per_repository: int
    per_host: int
    folder: str = ""  # id of the data folder: two folders must not use one host name
    unresponsive_after: float = (
        UNRESPONSIVE_AFTER  # seconds without a sign of life until another host's tasks continue here
    )
    lease: float = LEASE
    uids: Sequence[int] = ()  # user ids of tasks, of which one run has each at a time; () = one id for all


def claim_next(tx: Connection, worker: Worker) -> Run | None:
    """Claim the next run this host may execute: oldest first in a repository, repositories in turn."""
    exclude_claimers(tx)
    run_id = _next(tx, worker)
    return None if run_id is None else _start(tx, worker, run_id)


def claim(tx: Connection, worker: Worker, run_id: str) -> Run | None:
    """Claim this run if `claim_next` might claim it."""
    exclude_claimers(tx)
    if _next(tx, worker, run_id) is None:
        return None
    return _start(tx, worker, run_id)


def take_over(tx: Connection, worker: Worker, is_dead: Callable[[str], bool]) -> Run | None:
    """Take over a running run of this host whose holder is dead or whose lease has expired.

    If there is none, take one of an unresponsive host, within the limits of this worker. `is_dead` tells
    whether a holder's lock on this host is free.
    """
    exclude_claimers(tx)
    row = _abandoned(tx, worker, is_dead)
    if row is None:
        return None
    # Without a holder, the run was released by its worker, which did not die.
    takeovers = row.takeovers + (1 if row.holder else 0)
    unchanged = and_(
        runs.c.state == State.RUNNING,
        runs.c.epoch == row.epoch,
        runs.c.lease_until.is_not_distinct_from(row.lease_until),
    )
    return _take(tx, worker, row.id, unchanged, takeovers=takeovers)


def has_claimable_run(tx: Connection, worker: Worker, is_dead: Callable[[str], bool]) -> bool:
    """Report whether this worker could claim or take over a run now. Claims nothing."""
    return _next(tx, worker) is not None or _abandoned(tx, worker, is_dead) is not None


def exclude_claimers(tx: Connection) -> None:
    """Exclude other claimers until the transaction ends. SQLite has one writer at a time anyway."""
    if tx.dialect.name == "postgresql":
        tx.execute(_CLAIM_LOCK)


def _next(tx: Connection, worker: Worker, run_id: str | None = None) -> str | None:
    """Return the id of the run to claim next; with `run_id`, only that run is considered."""
    if tx.execute(_running(runs.c.host == worker.host)).scalar_one() >= worker.per_host:
        return None
    candidates = _candidates(worker, clock(tx))
    if run_id is not None:
        candidates = candidates.where(runs.c.id == run_id)
    next_id: str | None = tx.execute(candidates).scalar_one_or_none()
    return next_id


def _abandoned(
    tx: Connection, worker: Worker, is_dead: Callable[[str], bool]
) -> Row[*tuple[Any, ...]] | None:
    """Find a running run without a worker: its holder is dead, or its lease (even ours) has expired."""
    now = clock(tx)
    rows = tx.execute(
        select(runs.c.id, runs.c.host, runs.c.holder, runs.c.epoch, runs.c.lease_until, runs.c.takeovers)
        .where(runs.c.state == State.RUNNING, _for_this_host(worker, now))
        .order_by(runs.c.created_at)
    ).all()
    here = [row for row in rows if row.host == worker.host]
    for row in here:
        if row.holder == "" or row.lease_until < now or is_dead(row.holder):
            return row
    if len(here) < worker.per_host:
        return next((row for row in rows if row.host != worker.host and (row.lease_until or 0) < now), None)
    return None


def _for_this_host(worker: Worker, now: float) -> ColumnElement[bool]:
    """Select runs that have no host yet, and those of this host and of unresponsive hosts."""
    return or_(
        runs.c.host == "",
        runs.c.host == worker.host,
        runs.c.host.in_(hosts.unresponsive(now, worker.unresponsive_after)),
    )


def _start(tx: Connection, worker: Worker, run_id: str) -> Run | None:
    run = _take(tx, worker, run_id, runs.c.state == State.QUEUED, takeovers=0)
    if run is not None:
        tasks.change_state(tx, run.task, State.RUNNING)
    return run


def _take(
    tx: Connection, worker: Worker, run_id: str, unchanged: ColumnElement[bool], *, takeovers: int
) -> Run | None:
    """Take the run. Return None if it was cancelled, renewed or ended since it was read (on PostgreSQL)."""
    now = clock(tx)
    taken = tx.execute(
        update(runs)
        .where(runs.c.id == run_id, unchanged)
        .values(
            state=State.RUNNING,
            host=worker.host,
            holder=worker.holder,
            epoch=runs.c.epoch + 1,
            lease_until=now + worker.lease,
            takeovers=takeovers,
            started_at=func.coalesce(runs.c.started_at, now),
        )
    )
    return store_runs.get(tx, run_id) if taken.rowcount == 1 else None


def _candidates(worker: Worker, now: float) -> Select[Any]:
    other = runs.alias("other")
    thread_busy = (
        select(other.c.id)
        .where(other.c.thread_key == runs.c.thread_key, other.c.state == State.RUNNING)
        .exists()
    )
    in_repository = _running(other.c.repository_url == runs.c.repository_url, other).scalar_subquery()
    last_turn = (
        select(func.max(other.c.started_at))
        .where(other.c.repository_url == runs.c.repository_url)
        .scalar_subquery()
    )
    return (
        select(runs.c.id)
        .where(
            runs.c.state == State.QUEUED,
            or_(runs.c.due_at.is_(None), runs.c.due_at <= now),
            _for_this_host(worker, now),
            ~thread_busy,
            in_repository < worker.per_repository,
            *([~_uid_busy(worker)] if worker.uids else []),
        )
        .order_by(func.coalesce(last_turn, 0), runs.c.created_at, runs.c.id)
        .limit(1)
    )


def _uid_busy(worker: Worker) -> ColumnElement[bool]:
    """Select runs of workspaces here whose user id a running run has: they would share limits."""
    other, mine, theirs = runs.alias("at_work"), workspaces.alias("mine"), workspaces.alias("theirs")
    return (
        select(other.c.id)
        .where(
            other.c.state == State.RUNNING,
            other.c.host == worker.host,
            other.c.task != runs.c.task,
            theirs.c.task == other.c.task,
            mine.c.task == runs.c.task,
            theirs.c.host == worker.host,
            mine.c.host == worker.host,
            mine.c.removed_at.is_(None),  # otherwise it gets another id
            func.coalesce(theirs.c.uid, worker.uids[0]) == func.coalesce(mine.c.uid, worker.uids[0]),
        )
        .exists()
    )


def _running(condition: ColumnElement[bool], table: Any = runs) -> Select[Any]:
    return select(func.count()).select_from(table).where(table.c.state == State.RUNNING, condition)
