"""The broker, and nudges: messages that say "there may be work here".

If nudges are lost, doubled or reordered, only latency changes. Dramatiq carries
them, on Redis or inside one process, without any of its middleware: its limits
are shorter than a run, its retries compete with ours, which come from the
ledger, and an exception in an actor is meant to end its message.
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

from bot.domain import error_policy
from bot.domain.errors import BadSettings
from bot.domain.nudges import Nudges

log = structlog.get_logger()

ANSWER = "answer"
WORK = "work"
REPORT = "report"
QUEUE = "queue"  # as the dependency that does not answer

_FORGE_THREADS = 8  # for answers and reports, which wait for a forge and not for a processor
_POLL = 200  # milliseconds between two reads of an empty Redis queue; every nudge may wait that long
_PATIENCE = 2.0  # seconds for one Redis command
_PAUSE = 5.0  # seconds without a call after Redis failed
_LOST_CONNECTION = ("Consumer encountered a connection error", "Failed to post_process_message")
# Long, because a paused process is not dead. The messages of a dead one are not needed: the sweep finds
# the same work in the ledger.
_HEARTBEAT = 3_600_000  # milliseconds


def connect(url: str, namespace: str) -> dramatiq.Broker:
    """Build a broker on the Redis at `url`; "" = inside this process alone. Raises BadSettings.

    Redis need not answer, now or later.
    """
    broker: dramatiq.Broker
    if not url:
        broker = StubBroker(middleware=[])
    else:
        broker = RedisBroker(  # type: ignore[no-untyped-call]
            client=redis_client(url), namespace=namespace, middleware=[], heartbeat_timeout=_HEARTBEAT
        )
    # Each Worker adds the same middleware to the broker, and Dramatiq warns about the second.
    broker.logger.setLevel(logging.ERROR)
    return broker


def redis_client(url: str) -> redis.Redis:
    """Build a Redis client with short timeouts and one retry, for a connection that went stale."""
    try:
        return redis.Redis.from_url(
            url,
            socket_timeout=_PATIENCE,
            socket_connect_timeout=_PATIENCE,
            retry=Retry(NoBackoff(), 1),
        )
    except ValueError as error:
        raise BadSettings(
            f"[queue] url is not a Redis URL such as redis://127.0.0.1:6379/0: {error}."
        ) from None


def nudges(broker: dramatiq.Broker, *, work: str = WORK) -> Nudges:
    """Build nudges that go through `broker`, with or without actors here; `work` is the queue for runs."""
    breaker = _CircuitBreaker()

    def send(actor: str, *args: str, queue: str = "") -> None:
        message: dramatiq.Message[None] = dramatiq.Message(
            queue_name=queue or actor, actor_name=actor, args=args, kwargs={}, options={}
        )
        breaker.call(lambda: broker.enqueue(message))

    return Nudges(
        answer=lambda forge, delivery_id: send(ANSWER, forge, delivery_id),
        work=lambda: send(WORK, queue=work),
        report=lambda thread_key: send(REPORT, thread_key),
    )


class _CircuitBreaker:
    """Calls that may fail. A failure is followed by a pause without calls: a hanging Redis delays nothing."""

    def __init__(self) -> None:
        self._open_until = 0.0

    def call(self, do: Callable[[], object]) -> None:
        now = time.monotonic()
        if now < self._open_until:
            return
        try:
            do()
        except (redis.RedisError, BrokerError) as error:
            self._open_until = time.monotonic() + _PAUSE
            event = "nudge not sent, the sweep will find the work"
            log.warning(event, error=type(error).__name__, away=QUEUE)


def dependency_away(record: logging.LogRecord) -> str:
    """Name the dependency whose outage is the subject of a line of Dramatiq's log; "" for any other line.

    Dramatiq logs each failure of each of its threads, as a bug of its own if it does not know the error.
    """
    if not record.name.startswith("dramatiq"):
        return ""
    error = record.exc_info[1] if record.exc_info else None
    if isinstance(error, redis.RedisError | BrokerError) or str(record.msg).startswith(_LOST_CONNECTION):
        return QUEUE
    return error_policy.away(error) if error else ""


def host_queue(host: str) -> str:
    """Name the queue of one host, for work that only this host may claim."""
    return f"{WORK}.{host}"


def start_consumers(broker: dramatiq.Broker, *, host: str, runs: int) -> list[dramatiq.Worker]:
    """Start the consumers of runs, at most `runs` at once, and those of answers and reports."""
    return [start_run_consumer(broker, host=host, runs=runs), start_forge_consumer(broker)]


def start_run_consumer(broker: dramatiq.Broker, *, host: str, runs: int) -> dramatiq.Worker:
    """Consume runs, at most `runs` at once. Answers have another consumer, because runs take hours."""
    broker.declare_queue(host_queue(host))
    return _worker(broker, {WORK, host_queue(host)}, runs)


def start_forge_consumer(broker: dramatiq.Broker) -> dramatiq.Worker:
    """Consume answers and reports."""
    return _worker(broker, {ANSWER, REPORT}, _FORGE_THREADS)


def _worker(broker: dramatiq.Broker, queues: set[str], threads: int) -> dramatiq.Worker:
    worker = dramatiq.Worker(broker, queues=queues, worker_threads=threads, worker_timeout=_POLL)
    # By default it is twice as many: the others would wait here for hours, while another worker is idle.
    worker.queue_prefetch = threads
    worker.start()
    return worker
