"""Nudges: "there may be work here". Losing, doubling or reordering them changes nothing but latency.

They travel through Dramatiq, on Redis or inside one process. None of Dramatiq's
middleware is used: its limits are shorter than a run, its retries are not ours
(the ledger knows what is due), and an exception in an actor ends its message.
"""

import logging
import time
from collections.abc import Callable

import dramatiq
import redis
import structlog
from dramatiq.brokers.redis import RedisBroker
from dramatiq.brokers.stub import StubBroker
from dramatiq.errors import BrokerError
from redis.backoff import NoBackoff
from redis.retry import Retry

from bot.domain.errors import BadSettings
from bot.domain.nudges import Nudges

log = structlog.get_logger()

ANSWER = "answer"
WORK = "work"
REPORT = "report"

_TALKERS = 8  # threads for answers and reports: they wait for a forge, not for a processor
_IDLE = 200  # milliseconds between two looks at an empty Redis queue at most: part of every reaction's time
_PATIENCE = 2.0  # seconds for one Redis command
_SILENCE = 5.0  # seconds without a further try after Redis failed
_COMPLAIN = 60.0  # seconds between two log lines about it
# A process that was paused is not dead; and its messages, should it be, are worth nothing:
# the sweep finds the same work in the ledger.
_HEARTBEAT = 3_600_000  # milliseconds


def connect(url: str, namespace: str) -> dramatiq.Broker:
    """A broker on that Redis; in this process alone where `url` is "". Raises BadSettings.

    Redis need not answer now, nor later.
    """
    broker: dramatiq.Broker
    if not url:
        broker = StubBroker(middleware=[])
    else:
        broker = RedisBroker(  # type: ignore[no-untyped-call]
            client=client(url), namespace=namespace, middleware=[], heartbeat_timeout=_HEARTBEAT
        )
    # Each Worker adds a middleware of one class to the broker; the second earns a warning meant for others.
    broker.logger.setLevel(logging.ERROR)
    return broker


def client(url: str) -> redis.Redis:
    """A Redis client that gives up soon, after one more try on a connection that went stale."""
    try:
        return redis.Redis.from_url(
            url,
            socket_timeout=_PATIENCE,
            socket_connect_timeout=_PATIENCE,
            retry=Retry(NoBackoff(), 1),
        )
    except ValueError as error:
        raise BadSettings(
            f"[queue] url is no Redis URL, such as redis://127.0.0.1:6379/0: {error}."
        ) from None


def nudges(broker: dramatiq.Broker, *, work: str = WORK) -> Nudges:
    """Nudges through `broker`, whether or not this process has the actors; `work` is the queue for runs."""
    quiet = _Quiet()

    def send(actor: str, *args: str, queue: str = "") -> None:
        message: dramatiq.Message[None] = dramatiq.Message(
            queue_name=queue or actor, actor_name=actor, args=args, kwargs={}, options={}
        )
        quiet.call(lambda: broker.enqueue(message))

    return Nudges(
        answer=lambda forge, delivery_id: send(ANSWER, forge, delivery_id),
        work=lambda: send(WORK, queue=work),
        report=lambda thread_key: send(REPORT, thread_key),
    )


class _Quiet:
    """Calls that may fail. After a failure none is made for a while: a Redis that hangs holds up nobody."""

    def __init__(self) -> None:
        self._closed_until = self._complain_at = 0.0

    def call(self, do: Callable[[], object]) -> None:
        now = time.monotonic()
        if now < self._closed_until:
            return
        try:
            do()
        except (redis.RedisError, BrokerError) as error:
            now = time.monotonic()
            self._closed_until = now + _SILENCE
            if now >= self._complain_at:
                self._complain_at = now + _COMPLAIN
                log.warning("nudge not sent; the sweep will find the work", error=type(error).__name__)


def host_queue(host: str) -> str:
    """The queue of one host: what only that host may claim is of no use to the others."""
    return f"{WORK}.{host}"


def start(broker: dramatiq.Broker, *, host: str, runs: int) -> list[dramatiq.Worker]:
    """Start the consumers of runs, at most `runs` at once, and those of answers and reports."""
    return [start_work(broker, host=host, runs=runs), start_talk(broker)]


def start_work(broker: dramatiq.Broker, *, host: str, runs: int) -> dramatiq.Worker:
    """Consume runs, at most `runs` at once, apart from answers, which hours of runs must not delay."""
    broker.declare_queue(host_queue(host))
    return _worker(broker, {WORK, host_queue(host)}, runs)


def start_talk(broker: dramatiq.Broker) -> dramatiq.Worker:
    """Consume answers and reports."""
    return _worker(broker, {ANSWER, REPORT}, _TALKERS)


def _worker(broker: dramatiq.Broker, queues: set[str], threads: int) -> dramatiq.Worker:
    worker = dramatiq.Worker(broker, queues=queues, worker_threads=threads, worker_timeout=_IDLE)
    # Twice as many by default: messages would wait here, behind hours of runs, while another worker idles.
    worker.queue_prefetch = threads
    worker.start()
    return worker
