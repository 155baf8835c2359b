"""Composition root of the long-lived processes: `up` receives and works, `serve` and `work` do one of both.

Parts are stopped in the reverse order of their start: first the receiver, then
the workers, which release their runs, and the ledger last.
"""

import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import dramatiq
import structlog
from starlette.applications import Starlette

from bot.app import certificates, configured_forges, log, queues, start_report
from bot.app.build import build_runtime
from bot.app.forge_check import check_forges
from bot.app.preflight import report_redis, require_forge, require_queue, require_redis
from bot.app.settings.sections import ServerSettings
from bot.app.settings.settings import Settings
from bot.app.stop_signals import StopReasons, no_reason, stop_signals, wait_for
from bot.app.worker import MISSED_AFTER, SWEEP_EVERY, working
from bot.domain.errors import BadSettings
from bot.domain.interrupt import Check
from bot.runs.runtime import Runtime
from bot.store.hosts import UNRESPONSIVE_AFTER
from bot.store.leases import LEASE
from bot.store.ledger import clock
from bot.web import health, metrics, pages, receiver
from bot.web.pages import Viewer
from bot.web.receiver import Receiver
from bot.web.recorder import Intake
from bot.web.server import application, server

_log = structlog.get_logger()

Announce = Callable[[str], None]  # is called with the address of the receiver, once it listens


def up(
    settings: Settings,
    announce: Announce,
    *,
    sweep_every: float = SWEEP_EVERY,
    missed_after: float = MISSED_AFTER,
    lease: float = LEASE,
) -> None:
    """Receive and work in one process until a signal ends it. Raises BotError."""
    if settings.queue.url.get_secret_value():
        require_redis(settings)
    receivers = configured_forges.receivers(settings)
    with (
        stop_signals() as reasons,
        _listener(settings.server) as listener,
        _open(settings, listener, check=no_reason(reasons), lease=lease) as (runtime, broker),
        working(
            runtime,
            broker,
            settings=settings,
            sweep_every=sweep_every,
            missed_after=missed_after,
            check=no_reason(reasons),
        ) as stopping,
        _receiving(runtime, settings, receivers, listener, reasons=reasons),
    ):
        announce(_address(listener))
        wait_for(reasons, stopping)


def serve(settings: Settings, announce: Announce) -> None:
    """Receive deliveries and show pages until a signal ends the process. Raises BotError."""
    require_queue(settings, "serve")
    receivers = configured_forges.receivers(settings)
    with (
        stop_signals() as reasons,
        _listener(settings.server) as listener,
        _open(settings, listener, check=no_reason(reasons)) as (runtime, _broker),
        _receiving(runtime, settings, receivers, listener, reasons=reasons),
    ):
        report_redis(settings)
        announce(_address(listener))
        wait_for(reasons, threading.Event())


def work(
    settings: Settings,
    *,
    host: str = "",
    sweep_every: float = SWEEP_EVERY,
    missed_after: float = MISSED_AFTER,
    unresponsive_after: float = UNRESPONSIVE_AFTER,
    lease: float = LEASE,
) -> None:
    """Answer, run, report and sweep until a signal ends the process. Raises BotError."""
    require_queue(settings, "work")
    require_redis(settings)
    with (
        stop_signals() as reasons,
        _open(
            settings,
            None,
            check=no_reason(reasons),
            host=host,
            unresponsive_after=unresponsive_after,
            lease=lease,
        ) as (runtime, broker),
        working(
            runtime,
            broker,
            settings=settings,
            sweep_every=sweep_every,
            missed_after=missed_after,
            check=no_reason(reasons),
        ) as stopping,
    ):
        _log.info("worker started", host=runtime.worker.host, runs=runtime.worker.per_host)
        wait_for(reasons, stopping)


@contextmanager
def _open(
    settings: Settings,
    listener: socket.socket | None,
    *,
    check: Check,
    host: str = "",
    unresponsive_after: float = UNRESPONSIVE_AFTER,
    lease: float = LEASE,
) -> Iterator[tuple[Runtime, dramatiq.Broker]]:
    require_forge(settings)
    log.set_up(json=False, secrets=settings.secrets, dependency_away=queues.dependency_away)
    broker = queues.connect(settings.queue.url.get_secret_value(), settings.queue.namespace)
    url = settings.address(listener.getsockname()[1] if listener else None)
    nudges = queues.nudges(broker)
    with build_runtime(
        settings,
        public_url=url,
        nudges=nudges,
        host=host,
        unresponsive_after=unresponsive_after,
        lease=lease,
        check=check,
    ) as runtime:
        certificates.report_untrusted(_servers(settings, runtime))
        start_report.report(settings, runtime, check_forges(runtime.forges))
        yield runtime, broker


def _servers(settings: Settings, runtime: Runtime) -> list[str]:
    """Return the addresses to which the bot connects: APIs, repositories and models."""
    models = [provider.url for provider in runtime.gateway.providers.values()]
    return [*configured_forges.servers(settings), *models]


@contextmanager
def _listener(settings: ServerSettings) -> Iterator[socket.socket]:
    """Bind the port before anything else starts, so that a taken port is reported at once."""
    try:
        listener = socket.create_server((settings.host, settings.port), backlog=2048)
    except OSError as error:
        address = f"{settings.host}:{settings.port}"
        raise BadSettings(f"Cannot listen on {address}: {error.strerror}. Choose another --port.") from None
    with listener:
        yield listener


def _address(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


@contextmanager
def _receiving(
    runtime: Runtime,
    settings: Settings,
    receivers: Sequence[Receiver],
    listener: socket.socket,
    *,
    reasons: StopReasons,
) -> Iterator[None]:
    """Receive during the block. Deliveries that were accepted are recorded before the block exits."""
    intake = Intake(runtime.ledger, runtime.nudges.answer)
    web = server(
        _web(runtime, settings, receivers, intake), host=settings.server.host, port=settings.server.port
    )

    def run() -> None:
        web.run(sockets=[listener])  # outside the main thread, uvicorn leaves signals to us
        reasons.put("receiver ended")

    thread = threading.Thread(target=run, name="receiver")
    intake.start()
    thread.start()
    try:
        yield
    finally:
        web.should_exit = True
        thread.join()
        intake.stop()


def _web(runtime: Runtime, settings: Settings, receivers: Sequence[Receiver], intake: Intake) -> Starlette:
    redis_url = settings.queue.url.get_secret_value()
    checks: dict[str, Callable[[], object]] = {"ledger": lambda: _read(runtime)}
    if redis_url:
        checks["redis"] = queues.redis_client(redis_url).ping
    counts = metrics.make(runtime.ledger, checks.get("redis"))
    viewer = Viewer(
        ledger=runtime.ledger,
        link_key=runtime.link_key,
        forges=runtime.forges,
        secrets=runtime.secrets,
        agents=runtime.agents,
        operator_token=settings.server.operator_token.get_secret_value(),
    )
    return application(
        [
            *receiver.routes(receivers, intake, counts.answered),
            *health.routes(counts, checks),
            *pages.routes(viewer),
        ]
    )


def _read(runtime: Runtime) -> None:
    with runtime.ledger.read() as tx:
        clock(tx)
