"""Claims: the next run of a worker, and the limits, also with simultaneous claims."""

from dataclasses import replace

import pytest
from sqlalchemy import Connection, update
from sqlalchemy.exc import IntegrityError

from bot.domain.lifecycle import State
from bot.domain.outcomes import Outcome
from bot.domain.task import Run
from bot.store import claims, hosts, leases, runs, tasks
from bot.store.ledger import Ledger
from bot.store.schema import hosts as hosts_table
from bot.store.schema import runs as table
from tests.support.at_once import at_once
from tests.support.rows import a_thread, a_worker, add_run, add_task, claimed, lease_of, nobody_is_dead


def test_without_a_queued_run_there_is_nothing_to_claim(ledger: Ledger) -> None:
    with ledger.write() as tx:
        assert claims.claim_next(tx, a_worker()) is None
        assert not claims.has_claimable_run(tx, a_worker(), nobody_is_dead)


def test_a_claim_sets_run_and_task_running_with_the_first_epoch(ledger: Ledger) -> None:
    with ledger.write() as tx:
        run = claimed(tx)

        assert (run.state, run.epoch, run.host, run.takeovers) == (State.RUNNING, 1, "h1", 0)
        assert run.started_at is not None
        assert tasks.get(tx, run.task).state is State.RUNNING


def test_runs_of_a_repository_are_claimed_oldest_first_and_repositories_in_turn(ledger: Ledger) -> None:
    names: dict[str, str] = {}
    for repository in (1, 1, 1, 2, 3):
        with ledger.write() as tx:
            names[add_run(tx, add_task(tx, a_thread(repository=repository))).id] = f"{repository}{len(names)}"

    served = []
    for _ in names:
        with ledger.write() as tx:
            run = claims.claim_next(tx, a_worker(per_repository=9, per_host=9))
            assert run is not None
            served.append(names[run.id])

    assert served == ["10", "23", "34", "11", "12"]


def test_the_limit_of_a_repository_applies_across_hosts_and_not_to_other_repositories(ledger: Ledger) -> None:
    with ledger.write() as tx:
        for _ in range(3):
            add_run(tx)
        first = claims.claim_next(tx, a_worker(per_repository=2))
        assert claims.claim_next(tx, a_worker("w2", host="h2", per_repository=2)) is not None
        assert claims.claim_next(tx, a_worker(per_repository=2)) is None
        elsewhere = add_run(tx, add_task(tx, a_thread(repository=2)))

        other = claims.claim_next(tx, a_worker(per_repository=2))
        assert other is not None
        assert other.id == elsewhere.id
        leases.end(tx, lease_of(first), Outcome.PUSHED, State.SUCCEEDED, "")
        assert claims.claim_next(tx, a_worker(per_repository=2)) is not None


def test_the_limit_of_a_host_is_counted_over_all_its_workers(ledger: Ledger) -> None:
    with ledger.write() as tx:
        for repository in (1, 2, 3):
            add_run(tx, add_task(tx, a_thread(repository=repository)))

        assert claims.claim_next(tx, a_worker("w1", per_host=2)) is not None
        assert claims.claim_next(tx, a_worker("w2", per_host=2)) is not None
        assert claims.claim_next(tx, a_worker("w3", per_host=2)) is None
        assert not claims.has_claimable_run(tx, a_worker("w3", per_host=2), nobody_is_dead)
        assert claims.claim_next(tx, a_worker("w4", host="h2", per_host=2)) is not None


def test_a_thread_has_one_running_task(ledger: Ledger) -> None:
    thread = a_thread()
    with ledger.write() as tx:
        add_run(tx, add_task(tx, thread))
        second = add_run(tx, add_task(tx, thread))
        first = claims.claim_next(tx, a_worker())

        assert claims.claim_next(tx, a_worker()) is None
        leases.end(tx, lease_of(first), Outcome.PUSHED, State.SUCCEEDED, "")
        after = claims.claim_next(tx, a_worker())
        assert after is not None
        assert after.id == second.id


def test_the_database_itself_refuses_a_second_running_run_of_a_thread(ledger: Ledger) -> None:
    thread = a_thread()
    with ledger.write() as tx:
        made = [add_run(tx, add_task(tx, thread)).id for _ in range(2)]

    with pytest.raises(IntegrityError), ledger.write() as tx:
        tx.execute(update(table).where(table.c.id.in_(made)).values(state="running"))


def test_a_run_that_belongs_to_a_host_is_claimed_only_there(ledger: Ledger) -> None:
    with ledger.write() as tx:
        hosts.record_seen(tx, "h2", "f2", 60)
        run = add_run(tx, host="h2")

        assert claims.claim_next(tx, a_worker(host="h1")) is None
        assert claims.claim(tx, a_worker(host="h1"), run.id) is None
        assert claims.claim_next(tx, a_worker(host="h2")) is not None


def test_a_run_of_an_unresponsive_host_is_claimed_by_another_host(ledger: Ledger) -> None:
    with ledger.write() as tx:
        add_run(tx, host="h2")
        hosts.record_seen(tx, "h2", "f2", 60)
        tx.execute(update(hosts_table).values(seen_at=hosts_table.c.seen_at - 100))

        assert claims.claim_next(tx, a_worker(host="h1")) is None
        assert not claims.has_claimable_run(tx, a_worker(host="h1"), nobody_is_dead)
        impatient = replace(a_worker(host="h1"), unresponsive_after=99)
        assert claims.has_claimable_run(tx, impatient, nobody_is_dead)
        run = claims.claim_next(tx, impatient)
        assert run is not None
        assert run.host == "h1"


def test_a_host_that_was_never_seen_is_not_unresponsive(ledger: Ledger) -> None:
    with ledger.write() as tx:
        add_run(tx, host="h2")

        assert claims.claim_next(tx, replace(a_worker(host="h1"), unresponsive_after=0)) is None


def test_one_run_can_be_claimed_by_id_within_the_same_limits(ledger: Ledger) -> None:
    with ledger.write() as tx:
        add_run(tx)
        wanted, held_back = add_run(tx), add_run(tx)

        run = claims.claim(tx, a_worker(per_host=1), wanted.id)
        assert run is not None
        assert run.id == wanted.id
        assert claims.claim(tx, a_worker(per_host=1), held_back.id) is None
        assert claims.claim(tx, a_worker(), wanted.id) is None


@pytest.mark.parametrize(("queued", "expected"), [(1, 1), (5, 5), (7, 5)])
def test_five_simultaneous_claimers_never_get_the_same_run(
    ledger: Ledger, queued: int, expected: int
) -> None:
    with ledger.write() as tx:
        for _ in range(queued):
            add_run(tx)

    got = at_once(
        ledger, 5, lambda tx, n: claims.claim_next(tx, a_worker(f"w{n}", per_repository=9, per_host=9))
    )

    claimed = [run for run in got if run]
    assert len(claimed) == len({run.id for run in claimed}) == expected
    assert {run.epoch for run in claimed} == {1}


def test_five_simultaneous_claimers_do_not_exceed_a_limit(ledger: Ledger) -> None:
    with ledger.write() as tx:
        for _ in range(5):
            add_run(tx)

    got = at_once(ledger, 5, lambda tx, n: claims.claim_next(tx, a_worker(f"w{n}", per_repository=2)))

    assert len([run for run in got if run]) == 2


def test_a_cancel_is_recorded_even_if_the_run_is_claimed_at_the_same_time(ledger: Ledger) -> None:
    with ledger.write() as tx:
        queued = [add_run(tx) for _ in range(10)]

    def one(tx: Connection, number: int) -> Run | None:
        if number % 2:
            runs.ask_cancel(tx, queued[number // 2])
            return None
        return claims.claim(tx, a_worker(per_repository=99, per_host=99), queued[number // 2].id)

    got = at_once(ledger, 20, one)

    with ledger.read() as tx:
        after = [runs.get(tx, run.id) for run in queued]
    assert {run.id for run in after if run.state is State.RUNNING} == {run.id for run in got if run}
    assert all(run.cancel_asked for run in after)
