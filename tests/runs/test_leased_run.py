"""A leased run: its interrupts, its retries and its lease."""

import threading
from dataclasses import replace

import pytest
from sqlalchemy import select, update

from bot.domain.errors import LeaseLost, RemoteUnavailable, SandboxFailed
from bot.domain.lifecycle import Phase
from bot.runs.leased_run import Cancelled, LeasedRun, Stopped, watched
from bot.sandbox.engine.containers import ContainerSpec
from bot.store.schema import runs as table
from tests.support.worker_bench import Workshop, until


@pytest.fixture
def leased(shop: Workshop) -> LeasedRun:
    run = shop.claimed()
    return LeasedRun(shop.runtime, run, shop.task(run), threading.Event())


class Step:
    """A step that fails a number of times; `calls` counts its calls."""

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


def test_a_temporary_error_is_retried(leased: LeasedRun) -> None:
    step = Step(1, RemoteUnavailable("It does not answer."))

    assert leased.retry(step) == "done"
    assert step.calls == 2


def test_a_permanent_error_is_raised_at_once(leased: LeasedRun) -> None:
    step = Step(1, SandboxFailed("It ended badly."))

    with pytest.raises(SandboxFailed, match="ended badly"):
        leased.retry(step)
    assert step.calls == 1


def test_a_worker_that_has_to_stop_does_not_wait_for_the_next_retry(leased: LeasedRun) -> None:
    step = Step(9, RemoteUnavailable("It does not answer."))

    def stop() -> None:
        step.called.wait()
        leased.stopping.set()

    thread = threading.Thread(target=stop)
    thread.start()
    with pytest.raises(Stopped):
        leased.retry(step)
    thread.join()
    assert step.calls == 1


def test_running_containers_of_an_earlier_run_of_the_task_are_removed(
    shop: Workshop, leased: LeasedRun
) -> None:
    earlier, other = leased.sandbox, f"{leased.sandbox.replace(leased.task.id, 'another')}"
    for name in (earlier, other):  # the engine was unavailable when that run was abandoned
        _start_leftover(shop, name)
    second = replace(leased.run, id=f"{leased.task.id}-2", number=2)
    with shop.runtime.ledger.write() as tx:
        tx.execute(update(table).values(id=second.id, number=2))

    LeasedRun(shop.runtime, second, leased.task, threading.Event()).remove_stale_containers()

    assert shop.containers() == [other]
    shop.runtime.engine.remove(other)


def test_no_step_starts_after_the_worker_has_to_stop(leased: LeasedRun) -> None:
    step = Step(0, RemoteUnavailable(""))

    leased.cancelled.set()
    with pytest.raises(Cancelled):
        leased.retry(step)
    leased.stopping.set()
    with pytest.raises(Stopped):
        leased.retry(step)
    leased.lost.set()
    with pytest.raises(LeaseLost):
        leased.retry(step)

    assert step.calls == 0


def test_a_cancel_can_be_delayed(leased: LeasedRun) -> None:
    leased.cancelled.set()

    with leased.delaying_cancel(60):
        leased.check()
    with pytest.raises(Cancelled):
        leased.check()


def test_a_delayed_cancel_has_a_time_limit(leased: LeasedRun) -> None:
    leased.cancelled.set()

    with leased.delaying_cancel(0.5):
        leased.check()
        with pytest.raises(Cancelled):
            leased.retry(Step(9, RemoteUnavailable("It does not answer.")))
    with leased.delaying_cancel(60):
        leased.stopping.set()
        with pytest.raises(Stopped):
            leased.check()


def test_a_call_that_hangs_is_abandoned_when_the_worker_has_to_stop(leased: LeasedRun) -> None:
    hangs, freed = threading.Event(), threading.Event()

    def call() -> bool:
        hangs.set()
        return freed.wait(60)

    def cancel() -> None:
        hangs.wait()
        leased.cancelled.set()

    thread = threading.Thread(target=cancel)
    thread.start()
    with pytest.raises(Cancelled):
        leased.retry_or_abandon(call)
    thread.join()
    freed.set()


def test_a_cancel_just_before_the_push_prevents_it_and_the_phase_does_not_change(
    shop: Workshop, leased: LeasedRun
) -> None:
    leased.enter(Phase.EXPORT)
    assert shop.cancel(leased.run)  # no watch has reported it to this worker

    with pytest.raises(Cancelled):
        leased.enter(Phase.PUSH)
    assert shop.now(leased.run).phase is Phase.EXPORT


def test_a_push_that_has_started_cannot_be_cancelled(shop: Workshop, leased: LeasedRun) -> None:
    leased.enter(Phase.PUSH)

    assert not shop.cancel(leased.run)
    leased.enter(Phase.PUSH)  # a worker that takes over a run in this phase enters it again


def test_the_watch_notices_a_cancel(shop: Workshop, leased: LeasedRun) -> None:
    with watched(leased):
        assert shop.cancel(leased.run)

        assert leased.cancelled.wait(5)
    assert not leased.lost.is_set()


def test_the_watch_notices_that_another_worker_has_the_run(shop: Workshop, leased: LeasedRun) -> None:
    with watched(leased):
        shop.taken_over("another")

        assert leased.lost.wait(5)
    with pytest.raises(LeaseLost):
        leased.require_lease()


def test_the_watch_renews_a_lease_that_has_expired(shop: Workshop, leased: LeasedRun) -> None:
    with shop.runtime.ledger.write() as tx:
        tx.execute(update(table).values(lease_until=0))

    leased.runtime = replace(leased.runtime, worker=replace(leased.runtime.worker, lease=3.0))
    with watched(leased):
        until(lambda: _lease_until(shop) > 0)
    assert not leased.lost.is_set()


def test_a_worker_that_lost_its_lease_records_nothing_in_run_or_task(
    shop: Workshop, leased: LeasedRun
) -> None:
    shop.taken_over("another")
    before = shop.task(leased.run)

    with pytest.raises(LeaseLost):
        leased.record({"summary": "mine"}, branch="mine")
    assert shop.now(leased.run).summary == ""
    assert shop.task(leased.run) == before


def _lease_until(shop: Workshop) -> float:
    with shop.runtime.ledger.read() as tx:
        return float(tx.execute(select(table.c.lease_until)).scalar_one())


def test_a_lost_run_is_not_started_and_containers_of_dead_workers_are_removed(
    shop: Workshop, leased: LeasedRun
) -> None:
    again, runtime = shop.taken_over("another")
    step = Step(0, RemoteUnavailable(""))
    with pytest.raises(LeaseLost):  # although no watch has reported it
        leased.retry(step)
    assert step.calls == 0

    for name in (leased.helper("prepare"), leased.sandbox):
        _start_leftover(shop, name)
    LeasedRun(runtime, again, leased.task, threading.Event()).remove_stale_containers()

    assert shop.containers() == [leased.sandbox]
    shop.runtime.engine.remove(leased.sandbox)


def _start_leftover(shop: Workshop, name: str) -> None:
    sandbox = ContainerSpec(
        name=name,
        image=shop.runtime.image,
        argv=["sleep", "300"],
        env={},
        mounts=[],
        limits=shop.runtime.limits.container,
        labels={},
        log_bytes=1000,
    )
    shop.runtime.engine.start(sandbox)
