"""The sweep: finds due work in the ledger and nudges for it.

Every nudge may be lost, so all work is found again here. Any number of
processes may sweep at once, because a sweep only nudges.
"""

import math
import threading
import time
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import structlog
from sqlalchemy.exc import SQLAlchemyError

from bot.domain.error_policy import away
from bot.domain.errors import BotError, LedgerUnavailable
from bot.domain.nudges import Nudges
from bot.store import claims, deliveries, hosts, outbox
from bot.store.claims import Worker
from bot.store.ledger import Ledger

log = structlog.get_logger()

_Item = TypeVar("_Item", bound=Hashable)

# Oldest items of each kind: more than can be due at once because their tries keep failing.
_MOST_READ = 10_000
_MOST_NUDGED = 100  # items of each kind in one sweep; the longest without a nudge come first
_GRACE = 1.0  # seconds that an item may be due before it gets a nudge: its own may be on its way
_AGAIN = 10.0  # seconds until an item that is still due gets another nudge
_HOUR = 3600.0  # seconds


@dataclass(slots=True)
class _DueItems:
    """The items that the last sweep found due, and when to nudge for each next."""

    first: bool = True
    next: dict[Hashable, float] = field(default_factory=dict)

    def overdue(self, due: Sequence[_Item]) -> list[_Item]:
        """Return the items of `due` that need a nudge now; at the first sweep, any of them.

        Items without a nudge come before those with one, so that an item that stays due delays no other.
        """
        now = time.monotonic()
        at = {item: self.next.get(item, now if self.first else now + _GRACE) for item in due}
        overdue = sorted((item for item in due if at[item] <= now), key=at.__getitem__)[:_MOST_NUDGED]
        nudged = frozenset(overdue)
        self.next = {item: now + _AGAIN if item in nudged else then for item, then in at.items()}
        self.first = False
        return overdue


@dataclass(slots=True, kw_only=True)
class Sweep:
    """A sweep of one process. Its `nudges.work` reaches the workers of this host."""

    ledger: Ledger
    worker: Worker
    nudges: Nudges
    is_dead: Callable[[str], bool]
    _deliveries: _DueItems = field(default_factory=_DueItems)
    _threads: _DueItems = field(default_factory=_DueItems)
    _reported_at: float = -math.inf
    _dropped_at: float = -math.inf

    def once(self) -> None:
        """Report that this host is alive, nudge for due work, and drop old bodies."""
        self.report_alive()
        self.nudge()
        self.drop_old_bodies()

    def report_alive(self) -> None:
        """Tell the other hosts that this one is alive. Raises BadSettings if another has its name."""
        worker, now = self.worker, time.monotonic()
        if now - self._reported_at >= worker.unresponsive_after / 10:
            with self.ledger.write() as tx:
                hosts.record_seen(tx, worker.host, worker.folder, worker.unresponsive_after)
            self._reported_at = now

    def nudge(self) -> None:
        with self.ledger.read() as tx:
            unanswered = deliveries.due(tx, _MOST_READ)
            unsent = outbox.due_threads(tx, _MOST_READ)
            waiting = claims.has_claimable_run(tx, self.worker, self.is_dead)
        for forge, delivery_id in self._deliveries.overdue(unanswered):
            self.nudges.answer(forge, delivery_id)
        for thread_key in self._threads.overdue(unsent):
            self.nudges.report(thread_key)
        if waiting:  # one nudge: the worker that claims a run nudges for the next
            self.nudges.work()

    def drop_old_bodies(self) -> None:
        if time.monotonic() - self._dropped_at > _HOUR:
            with self.ledger.write() as tx:
                dropped = deliveries.drop_old_bodies(tx)
            self._dropped_at = time.monotonic()
            if dropped:
                log.info("bodies of old deliveries dropped", deliveries=dropped)


def keep_sweeping(name: str, once: Callable[[], None], *, every: float, stopping: threading.Event) -> None:
    """Call `once` now and every `every` seconds until `stopping` is set, also after a failure.

    `every` = infinity: never call it. The log has `name` with a failure.
    """
    while not stopping.is_set() and not math.isinf(every):
        try:
            once()
        except (BotError, SQLAlchemyError, LedgerUnavailable, OSError) as error:
            facts = {"sweep": name, "error": type(error).__name__, "reason": str(error)[:200]}
            log.warning("sweep failed", away=away(error), **facts)
        stopping.wait(every)
