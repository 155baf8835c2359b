"""All due work is found again in the ledger, with or without messages."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import dramatiq
import pytest
import redis
import sqlalchemy
import structlog

from bot.app import queues
from bot.app.sweep import Sweep, keep_sweeping
from bot.domain.nudges import Nudges
from bot.store import claims, deliveries, outbox, schema
from bot.store.data_folder import DataFolder
from bot.store.deliveries import Delivery
from bot.store.ledger import Ledger
from bot.store.outbox import NewItem, Outgoing
from bot.store.process_locks import is_dead, process_lock
from tests.support.rows import a_worker, add_run, add_task, nobody_is_dead

LONG = 20.0  # seconds that a test waits for something that should happen soon


@dataclass
class NudgeRecorder:
    """A record of nudges."""

    nudges: list[tuple[str, ...]] = field(default_factory=list)
    first: threading.Event = field(default_factory=threading.Event)  # set by an answer's nudge

    def sweep(self, ledger: Ledger, is_dead: Callable[[str], bool] = nobody_is_dead) -> Sweep:
        return Sweep(
            ledger=ledger,
            worker=a_worker(),
            nudges=Nudges(
                answer=self._answer,
                work=lambda: self.nudges.append(("work",)),
                report=lambda thread_key: self.nudges.append(("report", thread_key)),
            ),
            is_dead=is_dead,
        )

    def _answer(self, forge: str, delivery_id: str) -> None:
        self.nudges.append(("answer", forge, delivery_id))
        self.first.set()


def _receive(ledger: Ledger, delivery_id: str) -> None:
    with ledger.write() as tx:
        deliveries.record(tx, [Delivery(forge="github", id=delivery_id, event="ping", body=b"{}")])


def test_the_first_sweep_nudges_for_everything_due(ledger: Ledger) -> None:
    _receive(ledger, "d1")
    with ledger.write() as tx:
        run = add_run(tx)
        wanted = NewItem(subject=run.id, kind=Outgoing.FINAL, thread_key=run.thread_key, content={})
        outbox.put(tx, wanted)
    recorder = NudgeRecorder()

    recorder.sweep(ledger).once()

    assert recorder.nudges == [("answer", "github", "d1"), ("report", run.thread_key), ("work",)]


def test_the_host_reports_that_it_is_alive_but_not_at_every_sweep(ledger: Ledger) -> None:
    sweep = NudgeRecorder().sweep(ledger)
    sweep.once()
    with ledger.write() as tx:
        tx.execute(sqlalchemy.update(schema.hosts).values(seen_at=1.0))

    sweep.once()

    with ledger.read() as tx:
        assert [tuple(row)[::2] for row in tx.execute(sqlalchemy.select(schema.hosts))] == [("h1", 1.0)]


def test_without_due_work_there_is_no_nudge(ledger: Ledger) -> None:
    recorder = NudgeRecorder()

    recorder.sweep(ledger).once()

    assert recorder.nudges == []


@pytest.mark.alike
def test_new_work_gets_no_nudge_from_the_next_sweep_but_from_a_later_one(ledger: Ledger) -> None:
    recorder = NudgeRecorder()
    sweep = recorder.sweep(ledger)
    sweep.once()
    _receive(ledger, "d1")

    sweep.once()
    assert recorder.nudges == []
    keep_sweeping("due work", sweep.once, every=0.1, stopping=recorder.first)
    assert recorder.nudges == [("answer", "github", "d1")]


def test_work_that_remains_due_gets_one_nudge_in_twenty_sweeps(ledger: Ledger) -> None:
    _receive(ledger, "d1")
    recorder = NudgeRecorder()
    sweep = recorder.sweep(ledger)

    for _ in range(20):
        sweep.once()

    assert recorder.nudges == [("answer", "github", "d1")]


@pytest.mark.alike
def test_work_that_remains_due_does_not_delay_nudges_for_newer_work(ledger: Ledger) -> None:
    with ledger.write() as tx:
        deliveries.record(
            tx, [Delivery(forge="github", id=f"d{n}", event="ping", body=b"{}") for n in range(250)]
        )
        stuck = [add_task(tx).thread_key for _ in range(250)]
        for thread_key in stuck:
            outbox.put(tx, NewItem(subject="s", kind=Outgoing.REPLY, thread_key=thread_key, content={}))
        tx.execute(sqlalchemy.update(schema.deliveries).values(due_at=1.0))
        tx.execute(sqlalchemy.update(schema.outbox).values(due_at=1.0))
        newest = add_task(tx).thread_key
        outbox.put(tx, NewItem(subject="s", kind=Outgoing.REPLY, thread_key=newest, content={}))
    _receive(ledger, "newest")
    recorder = NudgeRecorder()
    sweep = recorder.sweep(ledger)

    for _ in range(3):
        before = len(recorder.nudges)
        sweep.once()
        assert len(recorder.nudges) - before <= 200  # a hundred of each kind

    assert ("answer", "github", "newest") in recorder.nudges
    assert ("report", newest) in recorder.nudges
    assert len(recorder.nudges) == len(set(recorder.nudges)) == 502


def test_work_without_a_nudge_comes_before_work_with_one(sqlite_ledger: Ledger) -> None:
    for number in range(150):
        _receive(sqlite_ledger, f"d{number}")
    recorder = NudgeRecorder()
    sweep = recorder.sweep(sqlite_ledger)
    sweep.once()
    sweep._deliveries.next = {
        item: at - 11 for item, at in sweep._deliveries.next.items()
    }  # as if 11 seconds had passed

    sweep.once()

    assert len(recorder.nudges) == 200
    assert len(set(recorder.nudges)) == 150


def test_a_run_that_a_limit_delays_gets_no_nudge(ledger: Ledger) -> None:
    with ledger.write() as tx:
        task = add_task(tx)
        first = add_run(tx, task)
        assert claims.claim(tx, a_worker(), first.id)
        add_run(tx, task)  # the thread is busy
    recorder = NudgeRecorder()

    recorder.sweep(ledger).once()

    assert recorder.nudges == []


def test_a_run_of_a_dead_worker_gets_a_nudge_at_once(ledger: Ledger, tmp_path: Path) -> None:
    with process_lock(DataFolder(tmp_path), "h1") as holder, ledger.write() as tx:
        assert claims.claim(tx, a_worker(holder), add_run(tx).id)
    recorder = NudgeRecorder()

    recorder.sweep(ledger, lambda name: is_dead(DataFolder(tmp_path), name)).once()

    assert recorder.nudges == [("work",)]


def test_a_run_of_a_living_worker_gets_no_nudge(ledger: Ledger, tmp_path: Path) -> None:
    recorder = NudgeRecorder()
    with process_lock(DataFolder(tmp_path), "h1") as holder:
        with ledger.write() as tx:
            assert claims.claim(tx, a_worker(holder), add_run(tx).id)

        recorder.sweep(ledger, lambda name: is_dead(DataFolder(tmp_path), name)).once()

    assert recorder.nudges == []


def test_old_bodies_are_deleted_and_their_keys_remain(ledger: Ledger) -> None:
    _receive(ledger, "old")
    with ledger.write() as tx:
        deliveries.mark_answered(tx, "github", "old")
        tx.execute(sqlalchemy.update(schema.deliveries).values(received_at=1.0))

    NudgeRecorder().sweep(ledger).once()

    with ledger.read() as tx:
        row = tx.execute(sqlalchemy.select(schema.deliveries)).one()
    assert (row.id, row.body) == ("old", None)


def test_sweeping_continues_after_a_failure(sqlite_ledger: Ledger) -> None:
    with sqlite_ledger.write() as tx:
        assert claims.claim(tx, a_worker("another"), add_run(tx).id)
    asked, stopping = threading.Event(), threading.Event()

    def is_dead(_holder: str) -> bool:
        if not asked.is_set():
            asked.set()
            raise OSError("too many open files")
        stopping.set()
        return True

    recorder = NudgeRecorder()
    with structlog.testing.capture_logs() as logged:
        keep_sweeping("janitor", recorder.sweep(sqlite_ledger, is_dead).once, every=0.1, stopping=stopping)

    assert recorder.nudges == [("work",)]
    assert [(each["event"], each["sweep"]) for each in logged] == [("sweep failed", "janitor")]


def test_a_nudge_that_redis_lost_is_sent_again(sqlite_ledger: Ledger, redis_url: str) -> None:
    _receive(sqlite_ledger, "d1")
    broker = queues.connect(redis_url, "test")
    answered, stopping = threading.Event(), threading.Event()

    @dramatiq.actor(broker=broker, actor_name=queues.ANSWER, queue_name=queues.ANSWER)
    def answer(forge: str, delivery_id: str) -> None:
        with sqlite_ledger.write() as tx:
            deliveries.mark_answered(tx, forge, delivery_id)
        answered.set()

    queues.nudges(broker).answer("github", "d1")
    with redis.Redis.from_url(redis_url) as client:
        client.flushdb()
    talk = queues.start_forge_consumer(broker)
    sweep = NudgeRecorder().sweep(sqlite_ledger)
    sweep.nudges = queues.nudges(broker)
    sweeper = threading.Thread(
        target=keep_sweeping, args=("due work", sweep.once), kwargs={"every": 0.1, "stopping": stopping}
    )
    sweeper.start()
    try:
        assert answered.wait(LONG)
    finally:
        stopping.set()
        sweeper.join()
        talk.stop()
