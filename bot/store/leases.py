"""Who runs a run. Every write a worker makes about its run checks the epoch it claimed it under.

A worker that was paused, cut off or replaced finds its epoch gone and gets
LeaseLost: it must then stop and touch nothing more.
"""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, and_, bindparam, select, update

from bot.domain.errors import LeaseLost, NotPossible
from bot.domain.lifecycle import Outcome, Phase, State
from bot.store.ledger import clock, insert_new
from bot.store.schema import phases, runs

LEASE = 30.0  # seconds; renewed as often as six times in that
TAKEOVERS = 3  # from a dead holder, in one phase: the third ends the run
# Built once: every run asks twice a second, and to build it costs as much again as to ask.
_CANCEL_ASKED = select(runs.c.cancel_asked).where(
    runs.c.id == bindparam("run"), runs.c.epoch == bindparam("epoch"), runs.c.state == State.RUNNING
)


@dataclass(frozen=True, slots=True)
class Lease:
    run: str
    epoch: int


def renew(tx: Connection, lease: Lease, seconds: float = LEASE) -> None:
    """Hold on for so long, expired or not. Raises LeaseLost."""
    write(tx, lease, lease_until=clock(tx) + seconds)


def is_cancel_asked(tx: Connection, lease: Lease) -> bool:
    """Did somebody ask to stop this run? Raises LeaseLost."""
    asked = tx.execute(_CANCEL_ASKED, {"run": lease.run, "epoch": lease.epoch}).scalar_one_or_none()
    if asked is None:
        raise _lost(lease)
    return bool(asked)


def release(tx: Connection, lease: Lease) -> None:
    """Let go in good order: the next worker of this host goes on from the recorded phase. Raises LeaseLost.

    The epoch ends here, so whatever of this worker still moves is fenced off.
    """
    write(tx, lease, holder="", lease_until=None, epoch=lease.epoch + 1)


def enter(tx: Connection, lease: Lease, phase: Phase) -> None:
    """Record that the run is in this phase from now on; entering it again changes nothing.

    Raises LeaseLost, and NotPossible on a phase that is behind the run: phases never run backwards.
    """
    write(tx, lease)
    current = Phase(tx.execute(select(runs.c.phase).where(runs.c.id == lease.run)).scalar_one())
    order = list(Phase)
    if order.index(phase) < order.index(current):
        raise NotPossible(f"Run {lease.run} is past phase {phase}: it is in {current}.")
    now = clock(tx)
    if phase is not current:
        write(tx, lease, phase=phase, takeovers=0)
        tx.execute(_open_phase(lease.run).values(ended_at=now))
    tx.execute(insert_new(tx, phases).values(run=lease.run, phase=phase, started_at=now))


def end(tx: Connection, lease: Lease, outcome: Outcome, state: State, reason: str) -> None:
    """Close the run. What is still to be told is in the outbox, in the same transaction."""
    now = clock(tx)
    write(tx, lease, outcome=outcome, state=state, reason=reason, ended_at=now, lease_until=None)
    tx.execute(_open_phase(lease.run).values(ended_at=now))


def write(tx: Connection, lease: Lease, **facts: Any) -> None:
    """Write columns of the run under its epoch; none: hold the epoch until the commit. Raises LeaseLost."""
    mine = and_(runs.c.id == lease.run, runs.c.epoch == lease.epoch, runs.c.state == State.RUNNING)
    if tx.execute(update(runs).where(mine).values({"epoch": lease.epoch, **facts})).rowcount != 1:
        raise _lost(lease)


def _lost(lease: Lease) -> LeaseLost:
    return LeaseLost(f"Run {lease.run} is not ours any more (epoch {lease.epoch}).")


def _open_phase(run_id: str) -> Any:
    return update(phases).where(phases.c.run == run_id, phases.c.ended_at.is_(None))
