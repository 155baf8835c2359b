"""What one run may do outside, and what became of it: shared by all its connections and by who follows it."""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import structlog

from bot.domain.lifecycle import Outcome, RunVerdict
from bot.gateway.budget import RunBudget
from bot.gateway.package_proxy import Packages
from bot.gateway.providers import Price, Provider
from bot.gateway.usage_counter import Counts

log = structlog.get_logger()

_ROOM = 128 << 20  # bytes of request bodies that one run may have in our memory


class RunAccess:
    """Its attributes may be read at any time, by any thread."""

    def __init__(
        self,
        *,
        token: str,
        routes: Mapping[str, Provider],
        counts: Counts,
        run_budget: RunBudget,
        packages: Packages | None = None,
    ) -> None:
        self.token, self.routes, self.counts, self.run_budget = token, routes, counts, run_budget
        self.packages = packages or Packages(())
        self.stop: RunVerdict | None = None  # to be looked at twice a second by who follows the run
        self.limited = False  # was the last answer of a provider that there were too many requests?
        self.limited_until: float | None = None  # seconds since the epoch, where it said so
        self._log = log.bind(run=counts.run)
        self._held = 0
        self._lock = threading.Lock()
        self._turn = threading.Lock()
        # For who takes apart what was sent: a flood, byte by byte, has one turn of the interpreter, not 64.
        self.reading = threading.Lock()

    def end(self, outcome: Outcome, reason: str) -> None:
        """Let the run be ended; the first reason counts."""
        self.stop = self.stop or RunVerdict(outcome, reason)

    def refuse(self, target: str, reason: str) -> None:
        """Count what did not come about; the first of a kind is logged."""
        if self.counts.refusal(target, reason):
            self._log.warning("gateway refused", target=target, reason=reason)

    def let_out(self, model: str, price: Price | None) -> bool:
        """Count one more request, where the budgets have room for it; else the run is to end."""
        with self._turn:  # as many as come at once: none passes on what another has used up
            if spent := self.run_budget.empty():
                self.end(Outcome.OVER_BUDGET, spent)
                return False
            self.counts.request(model, price)
            return True

    def unreachable(self, route: Provider, error: Exception) -> None:
        """Count that a provider could not be asked, or did not answer."""
        self.refuse(route.name, f"not reached: {type(error).__name__}")

    @contextmanager
    def room(self) -> Iterator[Callable[[int], bool]]:
        """For the block: takes so many bytes more of the memory for bodies; False: there are not as many."""
        mine = 0

        def take(size: int) -> bool:
            nonlocal mine
            with self._lock:
                if self._held + size > _ROOM:
                    return False
                self._held += size
                mine += size
                return True

        try:
            yield take
        finally:
            with self._lock:
                self._held -= mine
