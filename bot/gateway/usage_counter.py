"""What one run has used, reached and been refused, from its first request on, whoever followed it then.

Numbers are whole, never differences: writing them twice changes nothing, and a
worker that adopts the run begins with what the ledger holds.
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
from bot.text.sanitize import visible

K = TypeVar("K")
DAY = 86400  # seconds
_MOST = 100  # rows of a kind that one run may fill: an agent chooses the names in them
_LONGEST = 200  # characters of such a name
_OTHERS = "(others)"
_OF_ALL_KINDS = "of many kinds"  # what is named in a reason may be the agent's choice, too


def today() -> int:
    return int(time.time()) // DAY


class Counts:
    """Of one run, for many threads."""

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
        return self._changes != self._saved

    def save(self, tx: Connection) -> None:
        """Write all of it to the ledger; the caller holds the run's lease in the same transaction."""
        with self._lock:
            changes, used, refused = self._changes, list(self._used.values()), dict(self._refused)
            reached = list(self._reached.values())
        usage.write(tx, self.run, used)
        usage.write_refusals(tx, self.run, refused)
        usage.write_reached(tx, self.run, reached)
        self._saved = changes

    def request(self, model: str, price: Price | None) -> None:
        """One more was let out."""
        self._add(model, price, requests=1, tokens=Tokens())

    def tokens(self, model: str, price: Price | None, tokens: Tokens) -> None:
        """A provider says that it took and gave so many more."""
        self._add(model, price, requests=0, tokens=tokens)

    def refusal(self, target: str, reason: str) -> bool:
        """One more was kept in. Is it the first of its kind?"""
        with self._lock:
            key = _place(self._refused, (_name(target), reason), (_OTHERS, _OF_ALL_KINDS))
            self._refused[key] = self._refused.get(key, 0) + 1
            self._changes += 1
            return self._refused[key] == 1

    def led(self, target: str, sent: int, received: int) -> None:
        """One more tunnel to a package host is over; its bytes."""
        with self._lock:
            key = _place(self._reached, _name(target), _OTHERS)
            before = self._reached.get(key) or Reached(target=key)
            self._reached[key] = replace(
                before,
                count=before.count + 1,
                sent=before.sent + sent,
                received=before.received + received,
            )
            self._changes += 1

    def total(self, day: int | None = None) -> Total:
        """Of the run; or of what it used on that day."""
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
            key = _place(self._used, (today(), _name(model)), (today(), _OTHERS))
            before = self._used.get(key) or Used(day=key[0], model=key[1])
            self._used[key] = replace(
                before,
                requests=before.requests + requests,
                tokens=before.tokens + tokens,
                cost=before.cost if price is None else (before.cost or 0.0) + price.of(tokens),
            )
            self._changes += 1


def _place(counted: Mapping[K, object], key: K, others: K) -> K:
    """Where it is counted: with the others, once there are as many kinds as there may be."""
    return key if key in counted or len(counted) < _MOST else others


def _name(text: str) -> str:
    return visible(text)[:_LONGEST]
