"""Signals that ask a process to stop."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from queue import Empty, SimpleQueue
from typing import Any

import structlog

from bot.domain.interrupt import Check

_log = structlog.get_logger()

# The reasons to stop. A queue, because a signal handler may put into it but must not set an Event.
StopReasons = SimpleQueue[str]
_SIGNALS_EVERY = 1.0  # seconds


@contextmanager
def stop_signals() -> Iterator[StopReasons]:
    """Put the names of SIGTERM and SIGINT into the queue; a second one of a kind has its usual effect.

    StoppedEarly ends the block without an error.
    """
    reasons: StopReasons = SimpleQueue()
    before: dict[int, Any] = {}

    def put_reason(number: int, _frame: object) -> None:
        signal.signal(number, before[number])
        reasons.put(signal.Signals(number).name)

    for number in (int(signal.SIGTERM), int(signal.SIGINT)):
        before[number] = signal.signal(number, put_reason)
    try:
        yield reasons
    except StoppedEarly as reason:
        _log.info("stopping", reason=str(reason))
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class StoppedEarly(Exception):
    """A process has to stop before its start has ended."""


def no_reason(reasons: StopReasons) -> Check:
    """Return a check that ends a wait during the start if there is a reason to stop."""

    def check() -> None:
        with suppress(Empty):
            raise StoppedEarly(reasons.get_nowait())

    return check


def wait_for(reasons: StopReasons, stopping: threading.Event) -> None:
    """Wait for a reason to stop, log it, and set the event."""
    reason = ""
    # A signal does not end a wait that begins at the same moment, or if another thread receives it. Its
    # handler runs after the wait, so no wait may be long.
    while not reason:
        with suppress(Empty):
            reason = reasons.get(timeout=_SIGNALS_EVERY)
    stopping.set()
    _log.info("stopping", reason=reason)
