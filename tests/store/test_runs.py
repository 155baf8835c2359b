"""Runs of a task: their queue positions and their cancellation."""

from dataclasses import replace

import pytest
from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from bot.domain.lifecycle import Phase, State
from bot.domain.outcomes import Outcome
from bot.domain.task import Run, Task
from bot.store import claims, leases, runs
from bot.store.ledger import Ledger
from tests.support.rows import a_worker, add_run, add_task, lease_of


def test_a_new_run_is_queued_with_its_request(ledger: Ledger) -> None:
    with ledger.write() as tx:
        run = add_run(tx)

    assert (run.state, run.phase, run.first_phase) == (State.QUEUED, Phase.PREPARE, Phase.PREPARE)
    assert (run.request, run.asked_by.login, run.wall_limit, run.epoch) == ("tidy it", "ann", 60, 0)
    assert run.created_at > 1_000_000_000
    assert (run.started_at, run.ended_at, run.outcome, run.cancel_asked) == (None, None, None, False)


def test_the_runs_of_a_task_are_listed_oldest_first_and_the_newest_is_found(ledger: Ledger) -> None:
    with ledger.write() as tx:
        task = add_task(tx)
        made = [add_run(tx, task).id for _ in range(3)]

        assert [run.id for run in runs.of_task(tx, task.id)] == made
        assert runs.newest(tx, task.id).id == made[-1]


def test_a_second_run_of_one_cause_is_refused(ledger: Ledger) -> None:
    with ledger.write() as tx:
        add_run(tx, cause="comment:1")

    with pytest.raises(IntegrityError), ledger.write() as tx:
        add_run(tx, cause="comment:1")


def test_the_queue_position_counts_only_the_same_repository(ledger: Ledger) -> None:
    waiting = []
    for repository_task in range(3):
        with ledger.write() as tx:
            waiting.append(add_run(tx))
            assert runs.queue_position(tx, waiting[-1]) == repository_task + 1

    with ledger.write() as tx:
        claims.claim_next(tx, a_worker())

        assert [runs.queue_position(tx, runs.get(tx, run.id)) for run in waiting] == [0, 1, 2]


def test_queue_positions_of_runs_added_at_the_same_time_are_the_order_of_their_claims(ledger: Ledger) -> None:
    with ledger.write() as tx:
        waiting = [add_run(tx) for _ in range(5)]
        places = {run.id: runs.queue_position(tx, run) for run in waiting}
        claimed = [claims.claim_next(tx, a_worker(per_repository=9, per_host=9)) for _ in waiting]

        assert [places[run.id] for run in claimed if run] == [1, 2, 3, 4, 5]


def test_a_queued_run_is_cancelled_at_once_and_never_claimed(ledger: Ledger) -> None:
    with ledger.write() as tx:
        run = add_run(tx)

        assert runs.ask_cancel(tx, run)
        ended = runs.get(tx, run.id)
        assert (ended.state, ended.outcome) == (State.CANCELLED, Outcome.CANCELLED)
        assert ended.ended_at is not None
        assert claims.claim_next(tx, a_worker()) is None
        assert not runs.ask_cancel(tx, run)


@pytest.mark.parametrize("phase", [Phase.PREPARE, Phase.AGENT, Phase.EXPORT])
def test_a_running_run_can_be_cancelled_until_its_push_begins(ledger: Ledger, phase: Phase) -> None:
    with ledger.write() as tx:
        run = add_run(tx)
        lease = lease_of(claims.claim_next(tx, a_worker()))
        leases.enter(tx, lease, phase)

        assert not leases.is_cancel_asked(tx, lease)
        assert runs.ask_cancel(tx, run)
        assert leases.is_cancel_asked(tx, lease)
        assert runs.get(tx, run.id).state is State.RUNNING


@pytest.mark.parametrize("phase", [Phase.PUSH, Phase.REPORT])
def test_a_run_cannot_be_cancelled_once_its_push_has_begun(ledger: Ledger, phase: Phase) -> None:
    with ledger.write() as tx:
        run = add_run(tx)
        lease = lease_of(claims.claim_next(tx, a_worker()))
        leases.enter(tx, lease, phase)

        assert not runs.ask_cancel(tx, run)
        assert not leases.is_cancel_asked(tx, lease)


def test_open_runs_are_counted_by_state(ledger: Ledger) -> None:
    with ledger.write() as tx:
        add_run(tx)
        claims.claim_next(tx, a_worker())
        add_run(tx)
        add_run(tx)
        runs.ask_cancel(tx, add_run(tx))

        assert runs.count_open(tx) == {"queued": 2, "running": 1}


def _of_session(tx: Connection, task: Task) -> Run:
    """Add a run of session s that has ended."""
    following = add_run(tx, task)
    lease = lease_of(claims.claim(tx, a_worker(), following.id))
    leases.write(tx, lease, session="s", agent_started=True)
    leases.end(tx, lease, Outcome.PUSHED, State.SUCCEEDED, "")
    return runs.get(tx, lease.run)


def test_a_run_can_continue_the_last_session_of_the_same_agent(ledger: Ledger) -> None:
    with ledger.write() as tx:
        task = add_task(tx)
        assert runs.session_before(tx, _of_session(tx, task)) == ""
        following = add_run(tx, task)

        assert runs.session_before(tx, following) == "s"
        assert runs.session_before(tx, replace(following, agent="another")) == ""
