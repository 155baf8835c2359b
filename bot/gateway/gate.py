"""One run's door: a socket in a folder that its sandbox sees, and what became of what went through.

The path of the socket outlives every worker. The next one binds it anew, and the
relay in the sandbox, which waits for that, finds the same door.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import structlog

from bot.gateway.budget import Purse
from bot.gateway.counts import Counts
from bot.gateway.routes import Route
from bot.model import Outcome

log = structlog.get_logger()

_SOCKET = "gateway"
_AT_ONCE = 64  # connections; more wait to be accepted
_BACKLOG = 128


@dataclass(frozen=True, slots=True)
class Stop:
    """Why the agent is to be stopped now."""

    outcome: Outcome
    words: str


class Gate:
    """What one run may do, and what became of it. Its attributes may be read at any time, by any thread."""

    def __init__(self, *, token: str, routes: Mapping[str, Route], counts: Counts, purse: Purse) -> None:
        self.token, self.routes, self.counts, self.purse = token, routes, counts, purse
        self.stop: Stop | None = None  # to be looked at twice a second by who follows the run
        self.limited = False  # was the last answer of a provider that there were too many requests?
        self.limited_until: float | None = None  # seconds since the epoch, where it said so
        self._log = log.bind(run=counts.run)

    def end(self, outcome: Outcome, words: str) -> None:
        """Let the run be ended; the first reason counts."""
        self.stop = self.stop or Stop(outcome, words)

    def refuse(self, target: str, reason: str) -> None:
        """Count what is kept in; the first of a kind is logged."""
        if self.counts.refusal(target, reason):
            self._log.warning("gateway refused", target=target, reason=reason)


@contextmanager
def open_gate(folder: Path, gate: Gate) -> Iterator[None]:
    """Serve at `folder`/gateway until the block ends: then every connection is cut, and no thread is left."""
    yield
