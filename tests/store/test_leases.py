"""Leases: one worker per run, identified by its epoch, and takeovers from dead workers."""

from collections.abc import Callable

import pytest
from sqlalchemy import Connection, update

from bot.domain.errors import LeaseLost, NotPossible
from bot.domain.lifecycle import Phase, State
from bot.domain.outcomes import Outcome
from bot.domain.task import Run
from bot.store import claims, leases, runs
from bot.store.leases import LEASE, Lease
from bot.store.ledger import Ledger
from bot.store.schema import phases
from bot.store.schema import runs as table
from tests.support.at_once import at_once
from tests.support.rows import a_worker, all_are_dead, claimed, lease_of, nobody_is_dead


def expire(tx: Connection, run: Run) -> None:
    tx.execute(update(table).where(table.c.id == run.id).values(lease_until=table.c.lease_until - 2 * LEASE))


WRITES: list[Callable[[Connection, Lease], object]] = [
    lambda tx, lease: leases.write(tx, lease),
    lambda tx, lease: leases.write(tx, lease, summary="mine"),
    lambda tx, lease: leases.renew(tx, lease),
    lambda tx, lease: leases.release(tx, lease),
    lambda tx, lease: leases.enter(tx, lease, Phase.PREPARE),
    lambda tx, lease: leases.enter(tx, lease, Phase.REPORT),
    lambda tx, lease: leases.end(tx, lease, Outcome.PUSHED, State.SUCCEEDED, ""),
    lambda tx, lease: leases.is_cancel_asked(tx, lease),
]


@pytest.mark.parametrize("write", WRITES)
def test_a_replaced_worker_cannot_write(ledger: Ledger, write: Callable[[Connection, Lease], object]) -> None:
    with ledger.write() as tx:
        old = claimed(tx)
        new = claims.take_over(tx, a_worker("w2"), all_are_dead)

    with pytest.raises(LeaseLost), ledger.write() as tx:
        write(tx, lease_of(old))
    with ledger.read() as tx:
        assert runs.get(tx, old.id) == new


@pytest.mark.parametrize("write", WRITES)
def test_a_worker_that_released_its_run_cannot_write(
    ledger: Ledger, write: Callable[[Connection, Lease], object]
) -> None:
    with ledger.write() as tx:
        run = claimed(tx)
        leases.release(tx, lease_of(run))

    with pytest.raises(LeaseLost), ledger.write() as tx:
        write(tx, lease_of(run))


@pytest.mark.parametrize("write", WRITES)
def test_a_worker_whose_run_has_ended_cannot_write(
    ledger: Ledger, write: Callable[[Connection, Lease], object]
) -> None:
    with ledger.write() as tx:
        run = claimed(tx)
        leases.end(tx, lease_of(run), Outcome.PUSHED, State.SUCCEEDED, "")

    with pytest.raises(LeaseLost), ledger.write() as tx:
        write(tx, lease_of(run))


def test_phases_are_timed_and_entering_a_phase_again_changes_nothing(ledger: Ledger) -> None:
    with ledger.write() as tx:
        run = claimed(tx)
        for phase in (Phase.PREPARE, Phase.PREPARE, Phase.AGENT):
            leases.enter(tx, lease_of(run), phase)

    with ledger.read() as tx:
        assert runs.get(tx, run.id).phase is Phase.AGENT
        (prepare, began, ended), (agent, agent_began, open_end) = runs.phase_times(tx, run.id)
    assert (prepare, agent, open_end) == (Phase.PREPARE, Phase.AGENT, None)
    assert ended is not None
    assert began <= ended <= agent_began


def test_phases_that_begin_in_one_tick_of_the_clock_stay_in_order(ledger: Ledger) -> None:
    with ledger.write() as tx:
        run = claimed(tx)
        for phase in Phase:
            leases.enter(tx, lease_of(run), phase)
        tx.execute(update(phases).values(started_at=1.0))

    with ledger.read() as tx:
        assert [phase for phase, _, _ in runs.phase_times(tx, run.id)] == list(Phase)


def test_a_run_cannot_return_to_an_earlier_phase(ledger: Ledger) -> None:
    with ledger.write() as tx:
        run = claimed(tx)
        leases.enter(tx, lease_of(run), Phase.PUSH)

        with pytest.raises(NotPossible, match="passed phase agent"):
            leases.enter(tx, lease_of(run), Phase.AGENT)
        assert runs.get(tx, run.id).phase is Phase.PUSH


def test_an_ended_run_has_its_outcome_and_reason(ledger: Ledger) -> None:
    with ledger.write() as tx:
        run = claimed(tx)
        leases.enter(tx, lease_of(run), Phase.AGENT)
        leases.end(tx, lease_of(run), Outcome.TIMED_OUT, State.FAILED, "after 60 s")
        ended = runs.get(tx, run.id)

        assert (ended.state, ended.outcome, ended.reason) == (State.FAILED, Outcome.TIMED_OUT, "after 60 s")
        assert ended.ended_at is not None
        assert [end for _, _, end in runs.phase_times(tx, run.id)] == [pytest.approx(ended.ended_at, abs=1)]


def test_the_run_of_a_living_worker_with_a_lease_is_not_taken_over(ledger: Ledger) -> None:
    with ledger.write() as tx:
        claimed(tx)

        assert claims.take_over(tx, a_worker("w2"), nobody_is_dead) is None
        assert not claims.has_claimable_run(tx, a_worker("w2"), nobody_is_dead)


def test_the_run_of_a_dead_worker_is_taken_over_at_once_and_counted(ledger: Ledger) -> None:
    with ledger.write() as tx:
        old = claimed(tx)

        assert claims.has_claimable_run(tx, a_worker("w2"), lambda holder: holder == "w1")
        new = claims.take_over(tx, a_worker("w2"), lambda holder: holder == "w1")
        assert new is not None
        assert (new.id, new.epoch, new.takeovers, new.started_at) == (old.id, 2, 1, old.started_at)


def test_a_run_with_an_expired_lease_is_taken_over(ledger: Ledger) -> None:
    with ledger.write() as tx:
        run = claimed(tx)
        expire(tx, run)
        new = claims.take_over(tx, a_worker("w2"), nobody_is_dead)

        assert new is not None
        assert new.takeovers == 1


def test_taking_over_a_released_run_is_not_counted(ledger: Ledger) -> None:
    with ledger.write() as tx:
        run = claimed(tx)
        leases.enter(tx, lease_of(run), Phase.AGENT)
        leases.release(tx, lease_of(run))
        new = claims.take_over(tx, a_worker("w2"), nobody_is_dead)

        assert new is not None
        assert (new.id, new.phase, new.takeovers) == (run.id, Phase.AGENT, 0)
        assert new.epoch > run.epoch


def test_takeovers_are_counted_per_phase(ledger: Ledger) -> None:
    with ledger.write() as tx:
        claimed(tx)
        claims.take_over(tx, a_worker("w2"), all_are_dead)
        third = claims.take_over(tx, a_worker("w3"), all_are_dead)
        assert third is not None
        assert third.takeovers == 2
        leases.enter(tx, lease_of(third), Phase.AGENT)
        fourth = claims.take_over(tx, a_worker("w4"), all_are_dead)

        assert fourth is not None
        assert fourth.takeovers == 1


def test_a_run_of_another_host_is_not_taken_over(ledger: Ledger) -> None:
    with ledger.write() as tx:
        claimed(tx)

        assert claims.take_over(tx, a_worker("w2", host="h2"), all_are_dead) is None


def test_a_living_worker_takes_over_its_own_run_if_the_lease_has_expired(ledger: Ledger) -> None:
    with ledger.write() as tx:
        run = claimed(tx)
        assert claims.take_over(tx, a_worker("w1"), nobody_is_dead) is None

        expire(tx, run)

        again = claims.take_over(tx, a_worker("w1"), nobody_is_dead)
        assert again is not None
        assert (again.id, again.epoch) == (run.id, run.epoch + 1)


def test_an_expired_lease_that_nobody_took_is_renewed(ledger: Ledger) -> None:
    with ledger.write() as tx:
        run = claimed(tx)
        expire(tx, run)
        leases.renew(tx, lease_of(run))

        assert claims.take_over(tx, a_worker("w2"), nobody_is_dead) is None


def test_five_simultaneous_workers_take_a_run_over_once(ledger: Ledger) -> None:
    with ledger.write() as tx:
        claimed(tx)

    got = at_once(
        ledger, 5, lambda tx, n: claims.take_over(tx, a_worker(f"x{n}"), lambda holder: holder == "w1")
    )

    assert [run.epoch for run in got if run] == [2]
