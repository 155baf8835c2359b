"""Extensions of a sender's lease, which is short so that the death of a sender delays a thread little."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import structlog
from sqlalchemy.exc import SQLAlchemyError

from bot.domain.background import in_background
from bot.domain.error_policy import away
from bot.domain.errors import LedgerUnavailable
from bot.store import sender_leases
from bot.store.ledger import Ledger

log = structlog.get_logger()

_WITHIN = 3  # extensions in the time of one lease


@contextmanager
def extended(ledger: Ledger, thread_key: str, holder: str, seconds: float) -> Iterator[None]:
    """Extend the lease to `seconds` again and again during the block: one call to a forge may take longer.

    The extensions end early if another sender has taken the thread.
    """

    def extend(done: threading.Event) -> None:
        while not done.wait(seconds / _WITHIN):
            try:
                with ledger.write() as tx:
                    if not sender_leases.extend(tx, thread_key, holder, seconds):
                        return
            except (SQLAlchemyError, LedgerUnavailable) as error:
                log.warning("sender lease not extended", error=type(error).__name__, away=away(error))

    with in_background(extend, name=f"send-{thread_key}"):
        yield
