"""How much of models may be used, by one run and in one day, in requests, tokens and dollars."""

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

import structlog
from sqlalchemy.exc import SQLAlchemyError

from bot.domain.errors import LedgerUnavailable
from bot.domain.usage import Total
from bot.gateway.usage_counter import DAY, Counts, today
from bot.store import usage
from bot.store.ledger import Ledger

log = structlog.get_logger()

_LOOK_EVERY = 3.0  # seconds between two looks at what others used today


@dataclass(frozen=True, slots=True, kw_only=True)
class Amount:
    """None: as much as there is. `usd` counts only what has a price."""

    usd: float | None = None
    tokens: int | None = None
    requests: int | None = None

    def reached(self, *used: Total) -> str:
        """What of it is used up, in words; "" = nothing."""
        total = sum(used, Total())
        if self.requests is not None and total.requests >= self.requests:
            return f"{total.requests:,} of {self.requests:,} requests"
        if self.tokens is not None and total.tokens.all >= self.tokens:
            return f"{total.tokens.all:,} of {self.tokens:,} tokens"
        if self.usd is not None and total.cost >= self.usd:
            return f"{total.cost:,.2f} of {self.usd:,.2f} US dollars"
        return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """What a repository has of its own. `per_run` None: as everywhere."""

    per_run: Amount | None = None
    per_day: Amount = Amount()


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """`per_day` is for all repositories together. Days are those of UTC."""

    per_run: Amount = Amount()
    per_day: Amount = Amount()
    repositories: Mapping[str, Share] = field(default_factory=dict)  # by path in lower case


class RunBudget:
    """What one run may still spend. Others are seen as the ledger knew them some seconds ago."""

    def __init__(
        self, budget: Budget, ledger: Ledger, counts: Counts, *, repository: tuple[str, str]
    ) -> None:
        """`repository`: path, and URL."""
        self._path, self._url = repository
        share = budget.repositories.get(self._path.lower(), Share())
        self._per_run = share.per_run or budget.per_run
        self._per_day = {"": budget.per_day, self._url: share.per_day}
        self._ledger, self._counts = ledger, counts
        self._others: dict[str, Total] = {}
        self._looked, self._day = float("-inf"), today()
        self._lock = threading.Lock()

    @property
    def in_dollars(self) -> bool:
        """Is anything without a price out of the question?"""
        return any(amount.usd is not None for amount in (self._per_run, *self._per_day.values()))

    def empty(self) -> str:
        """Which budget is used up and what helps, in sentences; "" = none."""
        if what := self._per_run.reached(self._counts.total()):
            return f"The budget of a run is used up: {what}. To resume the task gives it a new one."
        for url, amount in self._per_day.items():
            if amount != Amount() and (what := amount.reached(self._used_by_others(url), self._mine())):
                whose = self._path if url else "all repositories"
                section = f'budget.repositories."{self._path.lower()}"' if url else "budget"
                return (
                    f"Today's budget of {whose} is used up: {what}. The day ends at {_midnight()} UTC. "
                    f"Resume the task then, or once the bot's operator has raised `per_day` in `[{section}]`."
                )
        return ""

    def _mine(self) -> Total:
        return self._counts.total(today())

    def _used_by_others(self, url: str) -> Total:
        with self._lock:
            now, day = time.monotonic(), today()
            if now - self._looked >= _LOOK_EVERY or day != self._day:
                self._look(day)
                self._looked, self._day = now, day
            return self._others.get(url, Total())

    def _look(self, day: int) -> None:
        run = self._counts.run
        try:
            with self._ledger.read() as tx:
                self._others = {
                    url: usage.of_day(tx, day, repository_url=url, without_run=run) for url in self._per_day
                }
        except (SQLAlchemyError, LedgerUnavailable) as error:  # what was known before still holds
            log.warning("ledger does not answer", error=type(error).__name__)


def _midnight() -> str:
    """When the present day ends."""
    return datetime.fromtimestamp((today() + 1) * DAY, UTC).strftime("%Y-%m-%d %H:%M")
