"""An attempt at a run: what it hears of while it works, and what it does again."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import select, update

from bot.domain.errors import LeaseLost, RemoteUnavailable, SandboxFailed
from bot.domain.lifecycle import Phase
from bot.runs.leased_run import Attempt, Cancelled, Stopped, watched
from bot.sandbox.engine.containers import Sandbox
from bot.store.schema import runs as table
from tests.support.worker_bench import Workshop, in_a_workshop, until


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Workshop]:
    with in_a_workshop(tmp_path) as shop:
        yield shop


@pytest.fixture
def attempt(shop: Workshop) -> Attempt:
    run = shop.claimed()
    return Attempt(shop.house, run, shop.task(run), threading.Event())


class Step:
    """Fails so many times; `calls` counts."""

    def __init__(self, failures: int, error: Exception) -> None:
        self.calls = 0
        self._failures, self._error = failures, error
        self.called = threading.Event()

    def __call__(self) -> str:
        self.calls += 1
        self.called.set()
        if self.calls <= self._failures:
            raise self._error
        return "done"


def test_what_may_pass_by_itself_is_done_again(attempt: Attempt) -> None:
    step = Step(1, RemoteUnavailable("It does not answer."))

    assert attempt.retrying(step) == "done"
    assert step.calls == 2


def test_what_will_not_pass_by_itself_is_told_at_once(attempt: Attempt) -> None:
    step = Step(1, SandboxFailed("It ended badly."))

    with pytest.raises(SandboxFailed, match="ended badly"):
        attempt.retrying(step)
    assert step.calls == 1


def test_a_worker_that_is_told_to_stop_does_not_wait_for_the_next_try(attempt: Attempt) -> None:
    step = Step(9, RemoteUnavailable("It does not answer."))

    def stop() -> None:
        step.called.wait()
        attempt.stopping.set()

    teller = threading.Thread(target=stop)
    teller.start()
    with pytest.raises(Stopped):
        attempt.retrying(step)
    teller.join()
    assert step.calls == 1


def test_what_an_earlier_run_of_the_task_left_at_work_is_cleared_away(
    shop: Workshop, attempt: Attempt
) -> None:
    earlier, other = attempt.sandbox, f"{attempt.sandbox.replace(attempt.task.id, 'another')}"
    for name in (earlier, other):  # the engine was away when that run was given up
        _left_behind(shop, name)
    second = replace(attempt.run, id=f"{attempt.task.id}-2", number=2)
    with shop.house.ledger.write() as tx:
        tx.execute(update(table).values(id=second.id, number=2))

    Attempt(shop.house, second, attempt.task, threading.Event()).clear_away()

    assert shop.containers() == [other]
    shop.house.engine.remove(other)


def test_nothing_is_begun_once_it_is_time_to_go(attempt: Attempt) -> None:
    step = Step(0, RemoteUnavailable(""))

    attempt.cancelled.set()
    with pytest.raises(Cancelled):
        attempt.retrying(step)
    attempt.stopping.set()
    with pytest.raises(Stopped):
        attempt.retrying(step)
    attempt.lost.set()
    with pytest.raises(LeaseLost):
        attempt.retrying(step)

    assert step.calls == 0


def test_a_cancel_waits_while_the_attempt_is_undisturbed(attempt: Attempt) -> None:
    attempt.cancelled.set()

    with attempt.undisturbed(60):
        attempt.check()
    with pytest.raises(Cancelled):
        attempt.check()


def test_but_not_for_longer_than_it_may_be(attempt: Attempt) -> None:
    attempt.cancelled.set()

    with attempt.undisturbed(0.5):
        attempt.check()
        with pytest.raises(Cancelled):
            attempt.retrying(Step(9, RemoteUnavailable("It does not answer.")))
    with attempt.undisturbed(60):
        attempt.stopping.set()
        with pytest.raises(Stopped):
            attempt.check()


def test_a_call_that_hangs_is_not_waited_for_once_it_is_time_to_go(attempt: Attempt) -> None:
    hangs, freed = threading.Event(), threading.Event()

    def call() -> bool:
        hangs.set()
        return freed.wait(60)

    def cancel() -> None:
        hangs.wait()
        attempt.cancelled.set()

    teller = threading.Thread(target=cancel)
    teller.start()
    with pytest.raises(Cancelled):
        attempt.asking(call)
    teller.join()
    freed.set()


def test_a_cancel_asked_just_before_the_push_wins_and_leaves_the_phase(
    shop: Workshop, attempt: Attempt
) -> None:
    attempt.enter(Phase.EXPORT)
    assert shop.cancel(attempt.run)  # no watch has told this attempt of it

    with pytest.raises(Cancelled):
        attempt.enter(Phase.PUSH)
    assert shop.now(attempt.run).phase is Phase.EXPORT


def test_after_the_push_began_there_is_nothing_to_cancel(shop: Workshop, attempt: Attempt) -> None:
    attempt.enter(Phase.PUSH)

    assert not shop.cancel(attempt.run)
    attempt.enter(Phase.PUSH)  # as a worker does that finds the run in this phase


def test_the_watch_hears_of_a_cancel(shop: Workshop, attempt: Attempt) -> None:
    with watched(attempt):
        assert shop.cancel(attempt.run)

        assert attempt.cancelled.wait(5)
    assert not attempt.lost.is_set()


def test_the_watch_hears_that_another_has_the_run(shop: Workshop, attempt: Attempt) -> None:
    with watched(attempt):
        shop.taken_over("another")

        assert attempt.lost.wait(5)
    with pytest.raises(LeaseLost):
        attempt.must_be_ours()


def test_the_watch_holds_on_to_a_lease_that_has_run_out(shop: Workshop, attempt: Attempt) -> None:
    with shop.house.ledger.write() as tx:
        tx.execute(update(table).values(lease_until=0))

    with watched(attempt):
        until(lambda: _lease_until(shop) > 0)
    assert not attempt.lost.is_set()


def test_what_a_loser_settles_changes_neither_run_nor_task(shop: Workshop, attempt: Attempt) -> None:
    shop.taken_over("another")
    before = shop.task(attempt.run)

    with pytest.raises(LeaseLost):
        attempt.settle({"summary": "mine"}, branch="mine")
    assert shop.now(attempt.run).summary == ""
    assert shop.task(attempt.run) == before


def _lease_until(shop: Workshop) -> float:
    with shop.house.ledger.read() as tx:
        return float(tx.execute(select(table.c.lease_until)).scalar_one())


def test_nothing_is_begun_that_another_has_and_what_dead_workers_left_is_cleared_away(
    shop: Workshop, attempt: Attempt
) -> None:
    again, house = shop.taken_over("another")
    step = Step(0, RemoteUnavailable(""))
    with pytest.raises(LeaseLost):  # though no watch has told it so
        attempt.retrying(step)
    assert step.calls == 0

    for name in (attempt.helper("prepare"), attempt.sandbox):
        _left_behind(shop, name)
    Attempt(house, again, attempt.task, threading.Event()).clear_away()

    assert shop.containers() == [attempt.sandbox]
    shop.house.engine.remove(attempt.sandbox)


def _left_behind(shop: Workshop, name: str) -> None:
    sandbox = Sandbox(
        name=name,
        image=shop.house.image,
        argv=["sleep", "300"],
        env={},
        mounts=[],
        limits=shop.house.allowance.limits,
        labels={},
        log_bytes=1000,
    )
    shop.house.engine.start(sandbox)
