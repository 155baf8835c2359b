"""Labels whose delivery was lost. No forge sends it again by itself, so the threads are looked at.

A label is a request for as long as it is on. One that has been on for a while is
handed to the same answer as a delivery's; what was answered before, or is being
answered now, the ledger knows. So this may run in any number of processes at once.
"""

import threading
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

import structlog

from bot.commands import policy
from bot.domain.errors import ForgeError, ForgeUnavailable
from bot.domain.event import Labelled
from bot.domain.thread import Thread
from bot.forges.forge import Forge
from bot.store import threads
from bot.store.ledger import Ledger, clock

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Missed:
    """`age`: seconds after which a delivery is taken for lost. `allow` is `[repositories] allow`."""

    ledger: Ledger
    forges: Mapping[str, Forge]
    labels: Collection[str]
    allow: Collection[str]
    answer: Callable[[Labelled], None]
    age: float
    stopping: threading.Event

    def once(self) -> None:
        """Look at every repository in which a command was heard before. No forge's failure is raised."""
        with self.ledger.read() as tx:
            repositories = threads.one_of_each_repository(tx)
            before = clock(tx) - self.age
        away: set[str] = set()
        for where in repositories:
            if where.forge not in self.forges or not policy.is_listed(where, self.allow):
                continue
            if self.stopping.is_set() or where.forge in away:
                continue
            try:
                self._look(where, before)
            except ForgeUnavailable as error:  # or it asks for fewer requests: the rest is left for later
                log.info("labels are looked for later", forge=where.forge, reason=str(error))
                away.add(where.forge)
            except (ForgeError, ValueError) as error:
                log.warning("labels not looked for", repository=where.repository_url, reason=str(error)[:200])

    def _look(self, where: Thread, before: float) -> None:
        found = self.forges[where.forge].labelled(where.repository_id, self.labels)
        for event in sorted(found, key=lambda event: event.at):
            if event.at.timestamp() <= before:
                self.answer(event)
