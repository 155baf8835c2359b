"""The Dramatiq actors. Each finds its work in the ledger and hands it over; it decides nothing."""

import threading
from collections.abc import Callable
from dataclasses import dataclass

import dramatiq
import structlog

from bot.app.queues import ANSWER, REPORT, WORK
from bot.domain.task import Run
from bot.runs.runtime import Runtime
from bot.store import claims


@dataclass(frozen=True, slots=True, kw_only=True)
class Jobs:
    """The functions to which the actors hand their work."""

    answer: Callable[[str, str], None]  # forge, delivery id
    execute: Callable[[Runtime, Run, threading.Event], None]
    report: Callable[[str], None]  # thread key
    is_dead: Callable[[str], bool]  # tells whether a holder of runs on this host has ended


def declare(broker: dramatiq.Broker, runtime: Runtime, jobs: Jobs, stopping: threading.Event) -> None:
    """Declare the actors on `broker`. It has no middleware, so no time limit and no retries."""

    @dramatiq.actor(broker=broker, actor_name=ANSWER, queue_name=ANSWER)
    def answer(forge: str, delivery_id: str) -> None:
        with structlog.contextvars.bound_contextvars(delivery=delivery_id):
            jobs.answer(forge, delivery_id)

    @dramatiq.actor(broker=broker, actor_name=WORK, queue_name=WORK)
    def work() -> None:
        if stopping.is_set():
            return
        run = _claim(runtime, jobs)
        if run is None:
            return
        runtime.nudges.work()  # one nudge may stand for many runs
        with structlog.contextvars.bound_contextvars(
            task=run.task, run=run.id, repository=run.repository_url
        ):
            jobs.execute(runtime, run, stopping)
        if not stopping.is_set():
            runtime.nudges.work()  # a queued run may take the place of this one

    @dramatiq.actor(broker=broker, actor_name=REPORT, queue_name=REPORT)
    def report(thread_key: str) -> None:
        jobs.report(thread_key)


def _claim(runtime: Runtime, jobs: Jobs) -> Run | None:
    with runtime.ledger.write() as tx:
        run = claims.take_over(tx, runtime.worker, jobs.is_dead)
        return run or claims.claim_next(tx, runtime.worker)
