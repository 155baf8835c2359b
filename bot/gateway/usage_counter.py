"""The usage of one run since its first request, whichever worker followed it: tokens, tunnels, refusals.

The numbers are totals, never differences: to write them twice changes nothing, and a
worker that takes over the run starts from the totals in the ledger.
"""

import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TypeVar

from sqlalchemy import Connection

from bot.domain.usage import Reached, Refusal, Tokens, Total, Used
from bot.gateway.providers import Price
from bot.store import usage
from bot.text.invisible import visible

K = TypeVar("K")
DAY = 86400  # seconds
_MOST = 100  # rows of one table that one run may fill: an agent chooses the names in them
_LONGEST = 200  # characters of such a name
_OTHERS = "(others)"
_MANY_REASONS = "of many kinds"  # replaces the reasons of the others: an agent may choose a part of a reason


def today() -> int:
    """Return the number of the present day in UTC, counted from the epoch."""
    return int(time.time()) // DAY


class UsageCounter:
    """The totals of one run, for many threads."""

    def __init__(
        self,
        run_id: str,
        used: Iterable[Used] = (),
        refused: Iterable[Refusal] = (),
        reached: Iterable[Reached] = (),
    ) -> None:
        self.run = run_id
        self._used = {(each.day, each.model): each for each in used}
        self._refused = {(each.target, each.reason): each.count for each in refused}
        self._reached = {each.target: each for each in reached}
        self._lock = threading.Lock()
        self._changes = self._saved = 0

    @property
    def unsaved(self) -> bool:
        """Report whether a total has changed since the last `save`."""
        return self._changes != self._saved

    def save(self, tx: Connection) -> None:
        """Write all totals to the ledger; the caller holds the run's lease in the same transaction."""
        with self._lock:
            changes, used, refused = self._changes, list(self._used.values()), dict(self._refused)
            reached = list(self._reached.values())
        usage.write(tx, self.run, used)
        usage.write_refusals(tx, self.run, refused)
        usage.write_reached(tx, self.run, reached)
        self._saved = changes

    def add_request(self, model: str, price: Price | None) -> None:
        """Count one more admitted request."""
        self._add(model, price, requests=1, tokens=Tokens())

    def add_tokens(self, model: str, price: Price | None, tokens: Tokens) -> None:
        """Count more tokens that a provider has reported."""
        self._add(model, price, requests=0, tokens=tokens)

    def add_refusal(self, target: str, reason: str) -> bool:
        """Count one more refused request. Return True for the first with this target and reason."""
        with self._lock:
            key = _key(self._refused, (_name(target), reason), (_OTHERS, _MANY_REASONS))
            self._refused[key] = self._refused.get(key, 0) + 1
            self._changes += 1
            return self._refused[key] == 1

    def add_tunnel(self, target: str, sent: int, received: int) -> None:
        """Count one more tunnel to a package host that has ended, and its bytes."""
        with self._lock:
            key = _key(self._reached, _name(target), _OTHERS)
            before = self._reached.get(key) or Reached(target=key)
            self._reached[key] = replace(
                before,
                count=before.count + 1,
                sent=before.sent + sent,
                received=before.received + received,
            )
            self._changes += 1

    def total(self, day: int | None = None) -> Total:
        """Return the usage of models of the whole run, or of one day."""
        with self._lock:
            counted = [each for each in self._used.values() if day in (None, each.day)]
        return Total(
            requests=sum(each.requests for each in counted),
            tokens=sum((each.tokens for each in counted), Tokens()),
            cost=sum(each.cost or 0.0 for each in counted),
            unpriced=sum(each.requests for each in counted if each.cost is None),
        )

    def _add(self, model: str, price: Price | None, *, requests: int, tokens: Tokens) -> None:
        with self._lock:
            key = _key(self._used, (today(), _name(model)), (today(), _OTHERS))
            before = self._used.get(key) or Used(day=key[0], model=key[1])
            self._used[key] = replace(
                before,
                requests=before.requests + requests,
                tokens=before.tokens + tokens,
                cost=before.cost if price is None else (before.cost or 0.0) + price.of(tokens),
            )
            self._changes += 1


class ResponseUsage:
    """The tokens of one response, counted while it arrives: if the worker dies, about a second is lost."""

    def __init__(self, counter: UsageCounter, model: str, price: Price | None) -> None:
        self._counter, self._model, self._price = counter, model, price
        self._counted = Tokens()

    def update(self, reported: Tokens) -> None:
        """Count the tokens that the response has reported in all so far."""
        if reported != self._counted:
            self._counter.add_tokens(self._model, self._price, reported - self._counted)
            self._counted = reported


def _key(totals: Mapping[K, object], key: K, others: K) -> K:
    """Return the key to count under: `others` once there are too many keys."""
    return key if key in totals or len(totals) < _MOST else others


def _name(text: str) -> str:
    return visible(text)[:_LONGEST]
