"""The limits on the use of models, by one run and in one day: requests, tokens and US dollars."""

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

import structlog
from sqlalchemy.exc import SQLAlchemyError

from bot.domain.error_policy import away
from bot.domain.errors import LedgerUnavailable
from bot.domain.usage import Total
from bot.gateway.usage_counter import DAY, UsageCounter, today
from bot.store import usage
from bot.store.ledger import Ledger

log = structlog.get_logger()

_REFRESH = 3.0  # seconds between two reads of the use by other runs today


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageLimit:
    """Up to three limits; None = no limit. `usd` counts only requests that have a price."""

    usd: float | None = None
    tokens: int | None = None
    requests: int | None = None

    def exhausted_by(self, *used: Total) -> str:
        """Return the limit that is used up, such as "5 of 5 requests"; "" if none is."""
        total = sum(used, Total())
        if self.requests is not None and total.requests >= self.requests:
            return f"{total.requests:,} of {self.requests:,} requests"
        if self.tokens is not None and total.tokens.all >= self.tokens:
            return f"{total.tokens.all:,} of {self.tokens:,} tokens"
        if self.usd is not None and total.cost >= self.usd:
            return f"{total.cost:,.2f} of {self.usd:,.2f} US dollars"
        return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RepositoryBudget:
    """The budget of one repository. `per_run` None: the general one applies."""

    per_run: UsageLimit | None = None
    per_day: UsageLimit = UsageLimit()


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """The whole budget. `per_day` is for all repositories together; days are those of UTC."""

    per_run: UsageLimit = UsageLimit()
    per_day: UsageLimit = UsageLimit()
    repositories: Mapping[str, RepositoryBudget] = field(default_factory=dict)  # by path in lower case


class RunBudget:
    """The remaining budget of one run. The use by other runs is some seconds old."""

    def __init__(
        self, budget: Budget, ledger: Ledger, counter: UsageCounter, *, repository: tuple[str, str]
    ) -> None:
        """Take the budget of this `repository`, which is its path and its URL."""
        self._path, self._url = repository
        own = budget.repositories.get(self._path.lower(), RepositoryBudget())
        self._per_run = own.per_run or budget.per_run
        self._per_day = {"": budget.per_day, self._url: own.per_day}
        self._ledger, self._counter = ledger, counter
        self._others: dict[str, Total] = {}
        self._refreshed, self._day = float("-inf"), today()
        self._lock = threading.Lock()

    @property
    def in_dollars(self) -> bool:
        """Report whether a limit is in US dollars, so that a model without a price must be refused."""
        return any(limit.usd is not None for limit in (self._per_run, *self._per_day.values()))

    def exhausted(self) -> str:
        """Return which budget is used up and what helps, in sentences; "" if none is."""
        if limit := self._per_run.exhausted_by(self._counter.total()):
            return f"The budget of a run is used up: {limit}. Resuming the task gives it a new budget."
        for url, per_day in self._per_day.items():
            if per_day != UsageLimit() and (
                limit := per_day.exhausted_by(self._used_by_others(url), self._mine())
            ):
                owner = self._path if url else "all repositories"
                section = f'budget.repositories."{self._path.lower()}"' if url else "budget"
                return (
                    f"Today's budget of {owner} is used up: {limit}. The day ends at {_midnight()} UTC. "
                    f"Resume the task then, or once the bot's operator has raised `per_day` in `[{section}]`."
                )
        return ""

    def _mine(self) -> Total:
        return self._counter.total(today())

    def _used_by_others(self, url: str) -> Total:
        with self._lock:
            now, day = time.monotonic(), today()
            if now - self._refreshed >= _REFRESH or day != self._day:
                self._refresh(day)
                self._refreshed, self._day = now, day
            return self._others.get(url, Total())

    def _refresh(self, day: int) -> None:
        run = self._counter.run
        try:
            with self._ledger.read() as tx:
                self._others = {
                    url: usage.of_day(tx, day, repository_url=url, without_run=run) for url in self._per_day
                }
        except (SQLAlchemyError, LedgerUnavailable) as error:  # the last known numbers stay in use
            log.warning("ledger unavailable", error=type(error).__name__, away=away(error))


def _midnight() -> str:
    """Return the end of the present day in UTC."""
    return datetime.fromtimestamp((today() + 1) * DAY, UTC).strftime("%Y-%m-%d %H:%M")
