"""What is due and nobody is doing.

Every message may be lost, so everything is found again here, in the ledger. A
sweep may run in any number of processes at once: it only nudges.
"""

import math
import threading
import time
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import structlog
from sqlalchemy.exc import SQLAlchemyError

from bot.domain.errors import BotError, LedgerUnavailable
from bot.domain.nudges import Nudges
from bot.store import claims, deliveries, hosts, outbox
from bot.store.claims import Worker
from bot.store.ledger import Ledger

log = structlog.get_logger()

_Item = TypeVar("_Item", bound=Hashable)

_LOOKED_AT = 10_000  # items of each kind, the oldest; many more than what stays due for a fault of its own
_AT_ONCE = 100  # nudges for each kind; what waited longest for one comes first
_GRACE = 1.0  # seconds an item may be due before it counts as forgotten: its own nudge is on its way
_AGAIN = 10.0  # seconds until an item that is still due is nudged for once more
_HOURLY = 3600.0


@dataclass(slots=True)
class _Recent:
    """Which items were seen due, and when each is to be nudged for next. Holds no more than one look did."""

    first: bool = True
    next: dict[Hashable, float] = field(default_factory=dict)

    def forgotten(self, due: Sequence[_Item]) -> list[_Item]:
        """Those of `due` that want a nudge now; at the first look, any of them.

        One that was nudged for goes behind those that were not: what stays due holds up nothing else.
        """
        now = time.monotonic()
        at = {item: self.next.get(item, now if self.first else now + _GRACE) for item in due}
        found = sorted((item for item in due if at[item] <= now), key=at.__getitem__)[:_AT_ONCE]
        nudged = frozenset(found)
        self.next = {item: now + _AGAIN if item in nudged else then for item, then in at.items()}
        self.first = False
        return found


@dataclass(slots=True, kw_only=True)
class Sweep:
    """`nudges.work` reaches the workers of this host."""

    ledger: Ledger
    worker: Worker
    nudges: Nudges
    is_dead: Callable[[str], bool]
    _deliveries: _Recent = field(default_factory=_Recent)
    _threads: _Recent = field(default_factory=_Recent)
    _seen_at: float = -math.inf
    _dropped_at: float = -math.inf

    def once(self) -> None:
        """Nudge for what is due, forget what is past its time."""
        self.be_seen()
        self.nudge()
        self.forget()

    def be_seen(self) -> None:
        """Tell the other hosts that this one is there. Raises BadSettings where another goes by its name."""
        worker, now = self.worker, time.monotonic()
        if now - self._seen_at >= worker.unresponsive_after / 10:
            with self.ledger.write() as tx:
                hosts.record_seen(tx, worker.host, worker.folder, worker.unresponsive_after)
            self._seen_at = now

    def nudge(self) -> None:
        with self.ledger.read() as tx:
            unanswered = deliveries.due(tx, _LOOKED_AT)
            untold = outbox.due_threads(tx, _LOOKED_AT)
            waiting = claims.waiting(tx, self.worker, self.is_dead)
        for forge, delivery_id in self._deliveries.forgotten(unanswered):
            self.nudges.answer(forge, delivery_id)
        for thread_key in self._threads.forgotten(untold):
            self.nudges.report(thread_key)
        if waiting:  # for one of them; whoever claims it nudges for the next
            self.nudges.work()

    def forget(self) -> None:
        if time.monotonic() - self._dropped_at > _HOURLY:
            with self.ledger.write() as tx:
                dropped = deliveries.drop_old_bodies(tx)
            self._dropped_at = time.monotonic()
            if dropped:
                log.info("old deliveries forgotten", bodies=dropped)


def keep_sweeping(once: Callable[[], None], *, every: float, stopping: threading.Event) -> None:
    """Call `once` now and each `every` seconds until `stopping` is set. A sweep that fails is not the last.

    Infinity: not even now.
    """
    while not stopping.is_set() and not math.isinf(every):
        try:
            once()
        except (BotError, SQLAlchemyError, LedgerUnavailable, OSError) as error:
            log.warning("sweep failed", error=type(error).__name__, reason=str(error)[:200])
        stopping.wait(every)
