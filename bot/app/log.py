"""The log for operators: one line for each event. Its text is a fixed phrase; all that varies has a key.

Secrets are removed at the end of the chain, after tracebacks have become text,
because no caller can know what a library puts into its messages.
"""

import logging
import sys
from collections.abc import Callable, Sequence

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from bot.text import invisible, redaction

# Libraries whose messages at INFO are of no use to an operator.
_QUIET = ("alembic", "docker", "dramatiq", "github", "httpx", "urllib3", "uvicorn")


def set_up(*, json: bool, secrets: Sequence[str]) -> None:
    """Log to standard error, libraries included; as key=value, or as JSON. Call once per process.

    `secrets` are removed wherever they occur, also inside the base64 of a basic authentication.
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
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.INFO)
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)


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
