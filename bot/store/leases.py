"""Leases: the right of one worker to work on a run. Its writes check the epoch of its claim.

A worker that was suspended, disconnected or replaced finds another epoch and gets
LeaseLost. It must then stop and change nothing more.
"""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, and_, bindparam, select, update

from bot.domain.errors import LeaseLost, NotPossible
from bot.domain.lifecycle import Phase, State
from bot.domain.outcomes import Outcome
from bot.store.ledger import clock, insert_new
from bot.store.schema import phases, runs

LEASE = 30.0  # seconds; renewed six times within that
TAKEOVERS = 3  # from dead holders in one phase; the third ends the run
# Built once: every run executes it twice a second, and building it takes as long as executing it.
_CANCEL_ASKED = select(runs.c.cancel_asked).where(
    runs.c.id == bindparam("run"), runs.c.epoch == bindparam("epoch"), runs.c.state == State.RUNNING
)


@dataclass(frozen=True, slots=True)
class Lease:
    """A claim of a run. Each claim has a higher epoch than the one before."""

    run: str
    epoch: int


def renew(tx: Connection, lease: Lease, seconds: float = LEASE) -> None:
    """Extend the lease to `seconds` from now, even if it has expired. Raises LeaseLost."""
    write(tx, lease, lease_until=clock(tx) + seconds)


def is_cancel_asked(tx: Connection, lease: Lease) -> bool:
    """Report whether a person asked to cancel this run. Raises LeaseLost."""
    is_asked = tx.execute(_CANCEL_ASKED, {"run": lease.run, "epoch": lease.epoch}).scalar_one_or_none()
    if is_asked is None:
        raise _lost(lease)
    return bool(is_asked)


def require(tx: Connection, lease: Lease) -> None:
    """Raise LeaseLost if another worker has the run, or if it has ended."""
    is_cancel_asked(tx, lease)


def release(tx: Connection, lease: Lease) -> None:
    """Release the run in good order. The next worker of this host continues at the recorded phase.

    The epoch ends here, so later writes of this worker fail. Raises LeaseLost.
    """
    write(tx, lease, holder="", lease_until=None, epoch=lease.epoch + 1)


def enter(tx: Connection, lease: Lease, phase: Phase) -> None:
    """Record that the run enters this phase; entering the current phase again changes nothing.

    Raises LeaseLost, and NotPossible for an earlier phase: phases never run backwards.
    """
    write(tx, lease)
    current = Phase(tx.execute(select(runs.c.phase).where(runs.c.id == lease.run)).scalar_one())
    order = list(Phase)
    if order.index(phase) < order.index(current):
        raise NotPossible(f"Run {lease.run} has passed phase {phase}: it is in {current}.")
    now = clock(tx)
    if phase is not current:
        write(tx, lease, phase=phase, takeovers=0)
        tx.execute(_open_phase(lease.run).values(ended_at=now))
    tx.execute(insert_new(tx, phases).values(run=lease.run, phase=phase, started_at=now))


def end(tx: Connection, lease: Lease, outcome: Outcome, state: State, reason: str) -> None:
    """Record the end of the run. The caller puts the reports into the outbox in the same transaction."""
    now = clock(tx)
    write(tx, lease, outcome=outcome, state=state, reason=reason, ended_at=now, lease_until=None)
    tx.execute(_open_phase(lease.run).values(ended_at=now))


def write(tx: Connection, lease: Lease, **facts: Any) -> None:
    """Write columns of the run under its epoch. Raises LeaseLost.

    Without columns it only locks the row, so that the epoch stays until the commit.
    """
    mine = and_(runs.c.id == lease.run, runs.c.epoch == lease.epoch, runs.c.state == State.RUNNING)
    if tx.execute(update(runs).where(mine).values({"epoch": lease.epoch, **facts})).rowcount != 1:
        raise _lost(lease)


def _lost(lease: Lease) -> LeaseLost:
    return LeaseLost(f"Run {lease.run} no longer belongs to this worker (epoch {lease.epoch}).")


def _open_phase(run_id: str) -> Any:
    return update(phases).where(phases.c.run == run_id, phases.c.ended_at.is_(None))
