"""The log for operators: one line for each event. Its text is a fixed phrase; all that varies has a key.

Secrets are removed at the end of the chain, after tracebacks have become text,
because no caller can know what a library puts into its messages.

A dependency that is away makes many threads fail, again and again. So lines that have
`away` are limited: one a minute for each dependency, with the number of those left out.
"""

import logging
import sys
import threading
import time
from collections.abc import Callable, Sequence

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from bot.text import invisible, redaction

# Libraries whose messages at INFO are of no use to an operator.
_QUIET = ("alembic", "docker", "dramatiq", "github", "httpx", "urllib3", "uvicorn")


_OUTAGE_LINES = 60.0  # seconds between two lines about one dependency that is away


def set_up(
    *,
    json: bool,
    secrets: Sequence[str],
    dependency_away: Callable[[logging.LogRecord], str] = lambda _: "",
) -> None:
    """Log to standard error, libraries included; as key=value, or as JSON. Call once per process.

    `secrets` are removed wherever they occur, also inside the base64 of a basic authentication.
    `dependency_away` names the dependency whose outage a library reports, "" for any other line.
    """
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_formatter(shared, json=json, secrets=secrets))
    handler.addFilter(OutageFilter(dependency_away))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.INFO)
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)


class OutageFilter(logging.Filter):
    """Lets one line in a minute pass for each dependency that is away."""

    def __init__(self, dependency_away: Callable[[logging.LogRecord], str]) -> None:
        super().__init__()
        self._dependency_away = dependency_away
        self._lock = threading.Lock()
        self._next: dict[str, float] = {}
        self._left_out: dict[str, int] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.msg, dict):  # a line of ours
            dependency = record.msg.get("away") or record.msg.pop("away", "")
        elif dependency := self._dependency_away(record):
            _replace(record, dependency)
        if not dependency:
            return True
        left_out = self._turn(dependency)
        if left_out:
            facts = record.msg if isinstance(record.msg, dict) else record.__dict__
            facts["left_out"] = left_out
        return left_out is not None

    def _turn(self, dependency: str) -> int | None:
        """Return the number of lines left out before this one; None if it is to be left out itself."""
        with self._lock:
            now = time.monotonic()
            if now < self._next.get(dependency, now):
                self._left_out[dependency] = self._left_out.get(dependency, 0) + 1
                return None
            self._next[dependency] = now + _OUTAGE_LINES
            return self._left_out.pop(dependency, 0)


def _replace(record: logging.LogRecord, dependency: str) -> None:
    """Replace a library's line, and its traceback, by one about the dependency."""
    error = record.exc_info[1] if record.exc_info else None
    record.msg, record.args, record.exc_info = f"{dependency} does not answer", (), None
    record.levelno, record.levelname = logging.WARNING, "WARNING"
    record.__dict__ |= {"away": dependency, **({"error": type(error).__name__} if error else {})}


def _formatter(
    shared: Sequence[Processor], *, json: bool, secrets: Sequence[str]
) -> structlog.stdlib.ProcessorFormatter:
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[*shared, structlog.stdlib.ExtraAdder()],
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            redactor(secrets),
            _renderer(json=json),
        ],
    )


def redactor(secrets: Sequence[str]) -> Callable[[WrappedLogger, str, EventDict], EventDict]:
    """Return a processor that makes every value visible text and removes the secrets from it."""

    def redact(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
        return {key: _cleaned(value, secrets) for key, value in event.items()}

    return redact


def _cleaned(value: object, secrets: Sequence[str]) -> object:
    if value is None or isinstance(value, bool | int | float):
        return value
    return redaction.redact(invisible.visible(str(value)), secrets)


def _renderer(*, json: bool) -> Processor:
    if json:
        return structlog.processors.JSONRenderer(ensure_ascii=False)
    return structlog.processors.LogfmtRenderer(
        key_order=["timestamp", "level", "event"], drop_missing=True, bool_as_flag=False
    )
