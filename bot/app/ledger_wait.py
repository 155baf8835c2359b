"""Waiting for a ledger that goes away while the bot starts."""

import time
from collections.abc import Callable
from typing import TypeVar

import structlog

from bot.domain.error_policy import away
from bot.domain.errors import LedgerUnavailable
from bot.domain.interrupt import Check, uninterrupted

T = TypeVar("T")

_PAUSE = 1.0  # seconds between two attempts
_log = structlog.get_logger()


def when_ledger_answers(step: Callable[[], T], check: Check = uninterrupted) -> T:
    """Call `step`, and again every second while the ledger does not answer; return its result.

    `check` is called before each pause, and its errors end the wait.
    """
    while True:
        try:
            return step()
        except LedgerUnavailable as error:
            _log.warning("waiting for the ledger", error=type(error.__cause__).__name__, away=away(error))
        check()
        time.sleep(_PAUSE)
