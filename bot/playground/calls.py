"""One REST call: who, where, what; and the answer to it.

Handlers are plain functions of a `Call`, run one at a time under the state's
lock: so what a handler checked is still true when it writes.
"""

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from bot.playground.hooks import Sender
from bot.playground.rules import Refused, moved
from bot.playground.state import Issue, Repository, State, User


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
        """The repository of a path that has one."""
        assert self.repository is not None
        return self.repository

    @property
    def login(self) -> str:
        """Whose call it is, where the route asked for a login."""
        assert self.user is not None
        return self.user.login

    def field(self, name: str, default: Any = None) -> Any:
        return self.body.get(name, default) if isinstance(self.body, dict) else default

    def issue(self, number: int | None = None) -> Issue:
        """The issue or pull request of this number, or the one the path names."""
        wanted = (self.where.id, number or self.path["number"])
        found = self.state.first(Issue, lambda row: (row.repository, row.number) == wanted)
        if found is None:
            raise Refused(404, "Not Found")
        if found.deleted:
            raise Refused(410, "This issue was deleted")
        if found.moved_to:
            raise self._moved(found)
        return found

    def _moved(self, issue: Issue) -> Refused:
        """GitHub redirects who asks for the issue or its labels; what else was below it is 404 there.

        Its OpenAPI file says so, and so it was measured for comments and events in 2026:
        https://github.com/Systemorph/MeshWeaver/issues/4629.
        """
        now = self.state.get(Issue, issue.moved_to)
        below = self.url.partition(f"/issues/{issue.number}")[2]
        if now is None or not (below == "" or below.startswith("/labels")):
            return Refused(404, "Not Found")
        return moved(f"{self.state.api_url}/repositories/{now.repository}/issues/{now.number}{below}")

    def tell(self, event: str, **payload: Any) -> None:
        self.sender.tell(self.where, self.login, event, payload)


@dataclass(frozen=True, slots=True)
class Answer:
    body: Any = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


Handler = Callable[[Call], Answer]


@dataclass(frozen=True, slots=True)
class Route:
    """`role` is what the caller must at least be in the repository; writing always takes a login."""

    method: str
    path: str
    role: str
    handler: Handler


def page(call: Call, rows: Sequence[Any], shape: Callable[[Any], Any]) -> Answer:
    """The page of `rows` that was asked for, with GitHub's Link header."""
    try:
        size = min(100, max(1, int(call.query.get("per_page", 30))))
        number = max(1, int(call.query.get("page", 1)))
    except ValueError:
        size, number = 30, 1
    last = max(1, -(-len(rows) // size))
    numbers = {"prev": number - 1, "next": number + 1, "last": last, "first": 1}
    wanted = ("prev", "first") * (number > 1) + ("next", "last") * (number < last)
    links = [
        f'<{call.url}?{urlencode({**call.query, "page": numbers[name]})}>; rel="{name}"' for name in wanted
    ]
    shown = [shape(row) for row in rows[(number - 1) * size : number * size]]
    return Answer(shown, headers={"Link": ", ".join(links)} if links else {})


def next_iid(state: State, where: Repository, *, change: bool) -> int:
    """GitLab's next number of an issue or of a change there."""
    rows = state.all(Issue, lambda row: row.repository == where.id and bool(row.head) == change)
    return max((row.iid for row in rows), default=0) + 1


def who(state: State, authorization: str | None) -> User | None:
    """Whose token this is, as a bearer or as a Basic password; None without one. Raises Refused."""
    if not authorization:
        return None
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() == "basic":
        try:
            token = base64.b64decode(token).decode().partition(":")[2]
        except ValueError:
            token = ""
    found = state.first(User, lambda user: user.token == token.strip())
    if found is None:
        raise Refused(401, "Bad credentials")
    return found
