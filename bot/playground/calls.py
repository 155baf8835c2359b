"""One REST call and its answer, and the numbers that both forges give to threads.

Handlers are plain functions of a `Call`. They run one at a time under the state's lock, so what a handler
has checked is still true when it writes.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from bot.playground.hooks import Sender
from bot.playground.rate_limits import Limits
from bot.playground.state import Issue, Repository, State, User


@dataclass(frozen=True, slots=True)
class Backend:
    """The state, the sender of webhooks and the rate limits behind the APIs of both forges."""

    state: State
    sender: Sender
    limits: Limits = field(default_factory=Limits)


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    state: State
    sender: Sender
    url: str  # without the query
    path: dict[str, Any]
    query: dict[str, str]
    body: Any
    user: User | None
    repository: Repository | None

    @property
    def where(self) -> Repository:
        """Return the repository that the path names."""
        assert self.repository is not None
        return self.repository

    @property
    def login(self) -> str:
        """Return the caller, on a route that requires a login."""
        assert self.user is not None
        return self.user.login

    def field(self, name: str, default: Any = None) -> Any:
        return self.body.get(name, default) if isinstance(self.body, dict) else default


@dataclass(frozen=True, slots=True)
class Answer:
    body: Any = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


Handler = Callable[[Call], Answer]


def next_iid(state: State, where: Repository, *, change: bool) -> int:
    """Return GitLab's next number for an issue, or for a merge request."""
    rows = state.all(Issue, lambda row: row.repository == where.id and bool(row.head) == change)
    return max((row.iid for row in rows), default=0) + 1


def next_number(state: State, where: Repository) -> int:
    """Return GitHub's next number. Issues and pull requests share one series."""
    rows = state.all(Issue, lambda row: row.repository == where.id)
    return max((row.number for row in rows), default=0) + 1


def parsed(body: bytes) -> Any:
    """Parse JSON. Raises ValueError, also if it cannot be written again: half a surrogate pair cannot."""
    found = json.loads(body) if body else None
    json.dumps(found, ensure_ascii=False).encode()
    return found
