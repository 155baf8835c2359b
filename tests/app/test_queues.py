"""Nudges on Redis and in one process: their delivery by Dramatiq, without its retries."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import dramatiq
import pytest
import redis
import structlog

from bot.app import queues
from bot.domain.errors import BadSettings
from tests.support.services import free_port

LONG = 20.0  # seconds that a test waits for something that should happen at once


@pytest.fixture(params=[pytest.param("redis", marks=pytest.mark.servers), "in one process"])
def broker(request: pytest.FixtureRequest) -> dramatiq.Broker:
    url = request.getfixturevalue("redis_url") if request.param == "redis" else ""
    return queues.connect(url, "test")


@contextmanager
def _consuming(broker: dramatiq.Broker, *, runs: int) -> Iterator[None]:
    workers = [queues.start_run_consumer(broker, host="here", runs=runs), queues.start_forge_consumer(broker)]
    try:
        yield
    finally:
        for worker in workers:
            worker.stop()


def _declare(broker: dramatiq.Broker, name: str, do: Callable[..., None]) -> None:
    dramatiq.actor(broker=broker, actor_name=name, queue_name=name)(do)


class Calls:
    """The calls of the actors of a test, with their arguments."""

    def __init__(self, broker: dramatiq.Broker) -> None:
        self.seen: list[tuple[str, ...]] = []
        self._more = threading.Condition()
        for name in (queues.ANSWER, queues.WORK, queues.REPORT):
            _declare(broker, name, self._recorder(name))

    def wait_for(self, *call: str) -> None:
        with self._more:
            assert self._more.wait_for(lambda: call in self.seen, LONG), self.seen

    def _recorder(self, name: str) -> Callable[..., None]:
        def record(*args: str) -> None:
            with self._more:
                self.seen.append((name, *args))
                self._more.notify_all()

        return record


def test_each_nudge_reaches_its_actor(broker: dramatiq.Broker) -> None:
    calls = Calls(broker)
    nudges = queues.nudges(broker)

    with _consuming(broker, runs=1):
        nudges.answer("github", "d1")
        nudges.report("github:1:issue:7")
        nudges.work()

        calls.wait_for("answer", "github", "d1")
        calls.wait_for("report", "github:1:issue:7")
        calls.wait_for("work")


def test_a_host_has_its_own_queue(broker: dramatiq.Broker) -> None:
    calls = Calls(broker)

    with _consuming(broker, runs=1):
        queues.nudges(broker, work=queues.host_queue("here")).work()

        calls.wait_for("work")


def test_a_nudge_for_another_host_is_not_taken(redis_url: str) -> None:
    broker = queues.connect(redis_url, "test")
    calls = Calls(broker)

    with _consuming(broker, runs=1):
        queues.nudges(broker, work=queues.host_queue("there")).work()
        queues.nudges(broker).report("after it")
        calls.wait_for("report", "after it")

    assert ("work",) not in calls.seen
    with redis.Redis.from_url(redis_url) as client:
        assert client.llen("test:work.there") == 1


def test_long_runs_do_not_delay_an_answer(broker: dramatiq.Broker) -> None:
    answered, go_on = threading.Event(), threading.Event()

    def work() -> None:
        go_on.wait(2 * LONG)

    _declare(broker, queues.WORK, work)
    _declare(broker, queues.ANSWER, lambda _forge, _delivery: answered.set())
    _declare(broker, queues.REPORT, lambda _thread: None)
    nudges = queues.nudges(broker)

    with _consuming(broker, runs=2):
        for _ in range(10):
            nudges.work()
        nudges.answer("github", "cancel")

        in_time = answered.wait(LONG)
        go_on.set()

    assert in_time


def test_a_host_takes_only_as_many_nudges_as_it_may_run(redis_url: str) -> None:
    broker = queues.connect(redis_url, "test")
    begun, go_on = threading.Semaphore(0), threading.Event()

    def work() -> None:
        begun.release()
        go_on.wait(LONG)

    _declare(broker, queues.WORK, work)
    _declare(broker, queues.ANSWER, lambda _forge, _delivery: None)
    _declare(broker, queues.REPORT, lambda _thread: None)
    with redis.Redis.from_url(redis_url) as client, _consuming(broker, runs=2):
        for _ in range(5):
            queues.nudges(broker).work()
        for _ in range(2):
            assert begun.acquire(timeout=LONG)

        assert client.llen("test:work") == 3
        go_on.set()


def test_an_actor_that_raises_is_not_called_again(redis_url: str) -> None:
    broker = queues.connect(redis_url, "test")
    calls: list[str] = []
    heard = threading.Event()

    def report(thread_key: str) -> None:
        calls.append(thread_key)
        if thread_key == "last":
            heard.set()
        raise RuntimeError("broken")

    _declare(broker, queues.REPORT, report)
    _declare(broker, queues.ANSWER, lambda _forge, _delivery: None)
    _declare(broker, queues.WORK, lambda: None)
    with _consuming(broker, runs=1):
        queues.nudges(broker).report("first")
        queues.nudges(broker).report("last")
        assert heard.wait(LONG)

    assert sorted(calls) == ["first", "last"]
    with redis.Redis.from_url(redis_url) as client:
        # Neither waiting, nor delayed, nor dead-lettered: the ledger has the work that is not done.
        assert [key for key in client.keys("test:report*") if client.type(key) != b"none"] == []


def test_a_nudge_that_cannot_be_sent_is_logged_once_and_delays_nothing() -> None:
    nudges = queues.nudges(queues.connect(f"redis://127.0.0.1:{free_port()}/0", "test"))

    begun = time.monotonic()
    with structlog.testing.capture_logs() as logged:
        for number in range(100):
            nudges.answer("github", f"d{number}")

    assert time.monotonic() - begun < queues._PATIENCE * 10  # 200 times, if each nudge waited
    assert [line["event"] for line in logged] == ["nudge not sent, the sweep will find the work"]


def test_an_invalid_url_is_refused() -> None:
    with pytest.raises(BadSettings, match=r"\[queue\] url is not a Redis URL"):
        queues.connect("http://127.0.0.1", "test")
