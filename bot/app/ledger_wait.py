"""Waiting for a ledger that goes away while the bot starts."""

import time
from collections.abc import Callable
from itertools import count
from typing import TypeVar

import structlog

from bot.domain.error_policy import away
from bot.domain.errors import BadSettings, LedgerUnavailable
from bot.domain.interrupt import Check
from bot.store.ledger import Ledger, open_ledger

T = TypeVar("T")

_PATIENCE = 30.0  # seconds of a command that nothing else ends
_PAUSE = 1.0  # seconds between two attempts
_log = structlog.get_logger()


def when_ledger_answers(step: Callable[[], T], check: Check | None = None) -> T:
    """Call `step`, and again every second while the ledger does not answer; return its result.

    `check` is called before each pause, and its errors end the wait. Without a check, the wait ends after 30
    seconds with BadSettings.
    """
    end = time.monotonic() + _PATIENCE
    while True:
        try:
            return step()
        except LedgerUnavailable as error:
            _log.warning("waiting for the ledger", error=type(error.__cause__).__name__, away=away(error))
            if check is None and time.monotonic() > end:
                raise BadSettings(
                    f"The ledger at [store] url has not answered for {_PATIENCE:g} seconds."
                ) from error
        if check is not None:
            check()
        time.sleep(_PAUSE)


def opened_ledger(url: str, check: Check | None = None) -> Ledger:
    """Open the ledger; wait for it as `when_ledger_answers` does if PostgreSQL starts or goes away.

    Raises BadSettings if it was never there.
    """
    attempts = count()
    return when_ledger_answers(lambda: open_ledger(url, was_there=next(attempts) > 0), check)
