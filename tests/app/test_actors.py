"""One nudge claims one run; further runs start while the limits allow it."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import dramatiq

from bot.app import actors, queues
from bot.app.actors import Jobs
from bot.domain.lifecycle import State
from bot.domain.outcomes import Outcome
from bot.domain.task import Run
from bot.runs.runtime import Runtime
from bot.store import claims, leases, runs
from bot.store.claims import Worker
from bot.store.data_folder import DataFolder
from bot.store.ledger import Ledger
from tests.support.fakes import FakeForge
from tests.support.rows import a_worker, add_run, lease_of, nobody_is_dead
from tests.support.runtimes import a_runtime

LONG = 20.0  # seconds that a test waits for something that should happen at once


def _runtime(ledger: Ledger, data: Path, broker: dramatiq.Broker, worker: Worker) -> Runtime:
    """Return the runtime of this worker, with nudges through the broker."""
    runtime = a_runtime(ledger, FakeForge())
    return replace(runtime, data=DataFolder(data), worker=worker, nudges=queues.nudges(broker))


class Places:
    """The runs that are being executed. A run lasts until it is released."""

    def __init__(self) -> None:
        self.running: list[str] = []
        self.done: list[str] = []
        self._change = threading.Condition()
        self._go_on: set[str] = set()

    def execute(self, runtime: Runtime, run: Run, stopping: threading.Event) -> None:
        with self._change:
            self.running.append(run.id)
            self._change.notify_all()
            self._change.wait_for(lambda: run.id in self._go_on or stopping.is_set(), LONG)
            self.running.remove(run.id)
        with runtime.ledger.write() as tx:
            if run.id in self._go_on:
                leases.end(tx, lease_of(run), Outcome.PUSHED, State.SUCCEEDED, "")
        with self._change:
            self.done.append(run.id)
            self._change.notify_all()

    def release(self, run_id: str) -> None:
        with self._change:
            self._go_on.add(run_id)
            self._change.notify_all()

    def wake(self) -> None:
        """Make every waiting execution check whether it must stop."""
        with self._change:
            self._change.notify_all()

    def wait_for(self, *running: str) -> None:
        with self._change:
            assert self._change.wait_for(lambda: sorted(self.running) == sorted(running), LONG), self.running


@contextmanager
def _at_work(ledger: Ledger, data: Path, worker: Worker, places: Places) -> Iterator[threading.Event]:
    broker = queues.connect("", "test")
    runtime = _runtime(ledger, data, broker, worker)
    stopping = threading.Event()
    jobs = Jobs(
        answer=lambda _forge, _delivery_id: None,
        execute=places.execute,
        report=lambda _thread_key: None,
        is_dead=nobody_is_dead,
    )
    actors.declare(broker, runtime, jobs, stopping)
    consuming = queues.start_run_consumer(broker, host=worker.host, runs=worker.per_host)
    runtime.nudges.work()
    try:
        yield stopping
    finally:
        stopping.set()
        places.wake()
        consuming.stop()


def test_one_nudge_starts_all_runs_that_fit_and_another_when_one_ends(
    sqlite_ledger: Ledger, tmp_path: Path
) -> None:
    with sqlite_ledger.write() as tx:
        first, second, third = (add_run(tx).id for _ in range(3))
    places = Places()

    with _at_work(sqlite_ledger, tmp_path, a_worker(per_host=2), places):
        places.wait_for(first, second)
        places.release(first)
        places.wait_for(second, third)


def test_runs_of_a_dead_worker_come_before_queued_ones(sqlite_ledger: Ledger, tmp_path: Path) -> None:
    with sqlite_ledger.write() as tx:
        left = add_run(tx).id
        taken = claims.claim(tx, a_worker("gone"), left)
        leases.release(tx, lease_of(taken))
        waiting = add_run(tx).id
    places = Places()

    with _at_work(sqlite_ledger, tmp_path, a_worker(per_host=1), places):
        places.wait_for(left)
        places.release(left)
        places.wait_for(waiting)


def test_a_stopping_process_claims_no_run(sqlite_ledger: Ledger, tmp_path: Path) -> None:
    with sqlite_ledger.write() as tx:
        first, second = (add_run(tx).id for _ in range(2))
    places = Places()

    with _at_work(sqlite_ledger, tmp_path, a_worker(per_host=1), places):
        places.wait_for(first)

    assert places.done == [first]
    with sqlite_ledger.read() as tx:
        assert runs.get(tx, second).state is State.QUEUED
