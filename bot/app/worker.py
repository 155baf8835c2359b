"""Composition root of a worker: its actors and sweeps, built from the settings and the runtime."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import dramatiq

from bot.app import actors, queues
from bot.app.actors import Jobs
from bot.app.command_defaults import defaults
from bot.app.ledger_wait import when_ledger_answers
from bot.app.preflight import make_ready
from bot.app.settings.settings import Settings
from bot.app.sweep import Sweep, keep_sweeping
from bot.commands import triggers
from bot.commands.answer import Answer
from bot.commands.label_scan import LabelScan
from bot.domain.interrupt import Check
from bot.reports import sender
from bot.reports.sender import Sender
from bot.runs import execute
from bot.runs.janitor import Janitor
from bot.runs.runtime import Runtime
from bot.store.process_locks import is_dead, worker_lock
from handlers import router

SWEEP_EVERY = 2.0  # seconds
MISSED_AFTER = 120.0  # seconds that a label may be on a thread before its delivery counts as lost
_SCAN_EVERY = 300.0  # seconds between two scans for labels whose delivery was lost
_GRACE = 60_000  # milliseconds for runs and reports to reach a point where they can be released
_REMOVALS_GRACE = 4.0  # seconds for removals to end after they are interrupted


@contextmanager
def working(
    runtime: Runtime,
    broker: dramatiq.Broker,
    *,
    settings: Settings,
    sweep_every: float,
    missed_after: float,
    check: Check,
) -> Iterator[threading.Event]:
    """Run actors and sweeps during the block; setting the event tells them to stop. Raises BotError.

    `sweep_every` is in seconds; infinity: no sweep, so that work begins only after a nudge. A label
    that has been on for `missed_after` seconds without its delivery is found. `check` is called while a
    ledger that went away is waited for. When the block exits, runs are released in good order: their agents
    continue, and the next worker finds them.
    """
    runtime = make_ready(runtime, settings.network.sets)
    stopping = threading.Event()
    with worker_lock(runtime.data, exclusive=not settings.queue.url.get_secret_value()):
        sweep = build_sweep(runtime, broker)
        when_ledger_answers(sweep.report_alive, check)
        janitor = Janitor(runtime, stopping)
        label_scan = build_label_scan(runtime, settings, age=missed_after, stopping=stopping)
        actors.declare(broker, runtime, build_jobs(runtime, settings), stopping)
        consumers = queues.start_consumers(broker, host=runtime.worker.host, runs=runtime.worker.per_host)
        sweepers = _start_sweepers(sweep, janitor, label_scan, every=sweep_every, stopping=stopping)
        try:
            yield stopping
        finally:
            stopping.set()
            for consumer in consumers:
                consumer.stop(timeout=_GRACE)
            for sweeper in sweepers:
                sweeper.join()
            janitor.finish(_REMOVALS_GRACE)


def _start_sweepers(
    sweep: Sweep, janitor: Janitor, label_scan: LabelScan, *, every: float, stopping: threading.Event
) -> list[threading.Thread]:
    """Start a thread for each, so that neither a slow forge nor a removal delays the other sweeps."""
    sweepers = [
        threading.Thread(target=partial(keep_sweeping, name, once, every=pause, stopping=stopping))
        for name, once, pause in (
            ("due work", sweep.once, every),
            ("janitor", janitor.once, every),
            ("label scan", label_scan.once, _SCAN_EVERY),
        )
    ]
    for sweeper in sweepers:
        sweeper.start()
    return sweepers


def build_answer(runtime: Runtime, settings: Settings) -> Answer:
    return Answer(
        ledger=runtime.ledger,
        forges=runtime.forges,
        router=router,
        allow=tuple(settings.repositories.allow),
        defaults=defaults(settings),
        nudges=runtime.nudges,
        patch_url=runtime.patch_url,
        task_url=runtime.page,
    )


def build_label_scan(
    runtime: Runtime, settings: Settings, *, age: float, stopping: threading.Event
) -> LabelScan:
    answer = build_answer(runtime, settings)
    return LabelScan(
        ledger=runtime.ledger,
        forges=runtime.forges,
        labels=triggers.labels(answer.defaults.agents, answer.defaults.labels),
        allow=answer.allow,
        answer=answer.answer_label,
        age=age,
        stopping=stopping,
    )


def build_sender(runtime: Runtime) -> Sender:
    """Return the sender of this host's reports."""
    return Sender(
        ledger=runtime.ledger,
        forges=runtime.forges,
        data=runtime.data,
        host=runtime.worker.host,
        holder=runtime.worker.holder,
        lease=runtime.worker.lease,
        secrets=runtime.secrets,
        link_key=runtime.link_key,
        public_url=runtime.public_url,
    )


def build_jobs(runtime: Runtime, settings: Settings) -> Jobs:
    dead = partial(is_dead, runtime.data)
    answer = build_answer(runtime, settings)
    return Jobs(
        answer=answer,
        execute=execute.execute,
        report=partial(sender.send, build_sender(runtime)),
        is_dead=dead,
    )


def build_sweep(runtime: Runtime, broker: dramatiq.Broker) -> Sweep:
    return Sweep(
        ledger=runtime.ledger,
        worker=runtime.worker,
        nudges=queues.nudges(broker, work=queues.host_queue(runtime.worker.host)),
        is_dead=partial(is_dead, runtime.data),
    )
