"""The scan for labels whose delivery was lost. No forge sends such a delivery again by itself.

A label is a request for as long as it is on. A label that has been on for a while is answered as a delivery
of it would be. The ledger knows the labels that were answered before or are being answered now, so any
number of processes may scan at once.
"""

import threading
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

import structlog

from bot.commands import policy
from bot.domain.error_policy import away
from bot.domain.errors import ForgeError, ForgeUnavailable
from bot.domain.event import Labelled
from bot.domain.thread import Thread
from bot.forges.forge import Forge
from bot.store import threads
from bot.store.ledger import Ledger, clock

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelScan:
    """The parts of a scan. `age`: a delivery counts as lost after so many seconds.

    `allow` is `[repositories] allow`.
    """

    ledger: Ledger
    forges: Mapping[str, Forge]
    labels: Collection[str]
    allow: Collection[str]
    answer: Callable[[Labelled], None]
    age: float
    stopping: threading.Event

    def once(self) -> None:
        """Scan every listed repository that has had a command before. Errors of a forge are logged only."""
        with self.ledger.read() as tx:
            repositories = threads.one_of_each_repository(tx)
            before = clock(tx) - self.age
        unavailable: set[str] = set()  # forges
        for thread in repositories:
            if thread.forge not in self.forges or not policy.is_listed(thread, self.allow):
                continue
            if self.stopping.is_set() or thread.forge in unavailable:
                continue
            try:
                self._scan(thread, before)
            except ForgeUnavailable as error:  # down, or limiting requests: the next scan goes on
                log.info("label scan postponed", forge=thread.forge, reason=str(error), away=away(error))
                unavailable.add(thread.forge)
            except ForgeError as error:
                log.warning("label scan failed", repository=thread.repository_url, reason=str(error)[:200])

    def _scan(self, thread: Thread, before: float) -> None:
        """Answer the labels of the thread's repository that are on since `before`, the oldest first."""
        events = self.forges[thread.forge].labelled(thread.repository_id, self.labels)
        for event in sorted(events, key=lambda event: event.at):
            if event.at.timestamp() <= before:
                self.answer(event)
