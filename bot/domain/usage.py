"""What a run used of models and of the network."""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Self


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """`input` without what was read from a cache or written to one."""

    input: int = 0
    cache_write: int = 0
    cache_read: int = 0
    output: int = 0

    def __add__(self, other: Self) -> Self:
        return replace(
            self,
            input=self.input + other.input,
            cache_write=self.cache_write + other.cache_write,
            cache_read=self.cache_read + other.cache_read,
            output=self.output + other.output,
        )

    def __sub__(self, other: Self) -> Self:
        return replace(
            self,
            input=self.input - other.input,
            cache_write=self.cache_write - other.cache_write,
            cache_read=self.cache_read - other.cache_read,
            output=self.output - other.output,
        )

    @property
    def all(self) -> int:
        return self.input + self.cache_write + self.cache_read + self.output


@dataclass(frozen=True, slots=True, kw_only=True)
class Used:
    """Of one model on one day, by one run. `cost`: US dollars, None where nobody knows the price."""

    day: int  # days since the epoch, UTC
    model: str
    requests: int = 0
    tokens: Tokens = Tokens()
    cost: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Total:
    """`cost`: US dollars for what has a price; `unpriced` requests were for models without one."""

    requests: int = 0
    tokens: Tokens = Tokens()
    cost: float = 0.0
    unpriced: int = 0

    def __add__(self, other: Self) -> Self:
        return replace(
            self,
            requests=self.requests + other.requests,
            tokens=self.tokens + other.tokens,
            cost=self.cost + other.cost,
            unpriced=self.unpriced + other.unpriced,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    target: str  # host:port, or method and path
    reason: str
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Reached:
    """A package host, and the bytes that passed."""

    target: str  # host:port
    count: int = 0
    sent: int = 0
    received: int = 0


class Known(StrEnum):
    """By whom."""

    PRICES = "prices"
    AGENT = "agent"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """By one run. `usd`: all of it; where that is unknown what is known, which may be nothing."""

    used: Total
    usd: float
    known: Known
