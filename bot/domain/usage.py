"""The use that runs make of models and of the network, and its costs."""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Self


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """Counts of tokens. `input` excludes tokens that were read from a cache or written to one."""

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
    """The use of one model by one run on one day. `cost` is in US dollars, None if the price is unknown."""

    day: int  # days since the epoch, UTC
    model: str
    requests: int = 0
    tokens: Tokens = Tokens()
    cost: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Total:
    """A sum of uses.

    `cost` is in US dollars, for the models that have a price; `unpriced` counts requests to the others.
    """

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
    """A kind of request that the gateway refused, and how often."""

    target: str  # host:port, or method and path
    reason: str
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Reached:
    """A package host, the number of connections to it, and the bytes both ways."""

    target: str  # host:port
    count: int = 0
    sent: int = 0
    received: int = 0


class Known(StrEnum):
    """The source of a cost."""

    PRICES = "prices"
    AGENT = "agent"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """The costs of one run.

    `usd` is the whole cost. If that is unknown, it is the known part, which may be 0.
    """

    used: Total
    usd: float
    known: Known
