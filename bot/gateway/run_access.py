"""The access of one run to the outside, shared by all its connections and by the worker that follows it."""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import structlog

from bot.domain.outcomes import Outcome, RunVerdict
from bot.gateway.budget import RunBudget
from bot.gateway.package_proxy import PackageProxy
from bot.gateway.providers import Price, Provider
from bot.gateway.usage_counter import UsageCounter

log = structlog.get_logger()

_MEMORY = 128 << 20  # bytes of request bodies that one run may have in the bot's memory


class RunAccess:
    """The credentials, budget and usage of one run. Any thread may read the attributes at any time."""

    def __init__(
        self,
        *,
        token: str,
        providers: Mapping[str, Provider],
        counter: UsageCounter,
        run_budget: RunBudget,
        packages: PackageProxy | None = None,
    ) -> None:
        self.token, self.providers, self.counter, self.run_budget = token, providers, counter, run_budget
        self.packages = packages or PackageProxy(())
        self.stop: RunVerdict | None = None  # the worker that follows the run reads it twice a second
        self.limited = False  # was the last response of a provider 429, Too Many Requests?
        self.limited_until: float | None = None  # seconds since the epoch, if that response had a time
        self._log = log.bind(run=counter.run)
        self._reserved = 0  # bytes
        self._lock = threading.Lock()
        self._admission = threading.Lock()
        # Held while a request is parsed: if 64 threads parsed a flood byte by byte at once, the other threads
        # of the process would hardly run.
        self.reading = threading.Lock()

    def request_stop(self, outcome: Outcome, reason: str) -> None:
        """Ask for the end of the run; a second call has no effect."""
        self.stop = self.stop or RunVerdict(outcome, reason)

    def record_refusal(self, target: str, reason: str) -> None:
        """Count a failed request; the first with this target and reason is logged."""
        if self.counter.add_refusal(target, reason):
            self._log.warning("gateway request refused", target=target, reason=reason)

    def admit(self, model: str, price: Price | None) -> bool:
        """Count one more request and return True; if a budget is used up, ask for the run's end instead."""
        with self._admission:  # of two requests at once, none may pass on a budget that the other has used up
            if exhausted := self.run_budget.exhausted():
                self.request_stop(Outcome.OVER_BUDGET, exhausted)
                return False
            self.counter.add_request(model, price)
            return True

    def record_unreachable(self, provider: Provider, error: Exception) -> None:
        """Count a request that the provider did not receive or did not answer."""
        self.record_refusal(provider.name, f"not reached: {type(error).__name__}")

    @contextmanager
    def reserved_memory(self) -> Iterator[Callable[[int], bool]]:
        """Yield a function that reserves memory for a request's body until the end of the block.

        It takes the number of bytes and returns False if too few are free.
        """
        mine = 0

        def reserve(size: int) -> bool:
            nonlocal mine
            with self._lock:
                if self._reserved + size > _MEMORY:
                    return False
                self._reserved += size
                mine += size
                return True

        try:
            yield reserve
        finally:
            with self._lock:
                self._reserved -= mine
