"""Routes, pagination, and the thread that a path names, for the handlers of GitHub's API."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from bot.playground.calls import Answer, Call, Handler
from bot.playground.github.rules import Refused, moved
from bot.playground.state import Issue


@dataclass(frozen=True, slots=True)
class Route:
    """A handler and the role that its callers need. Writing always requires a login."""

    method: str
    path: str
    role: str
    handler: Handler


def thread(call: Call, number: int | None = None) -> Issue:
    """Return the issue or pull request with this number, or the one that the path names."""
    wanted = (call.where.id, number or call.path["number"])
    found = call.state.first(Issue, lambda row: (row.repository, row.number) == wanted)
    if found is None:
        raise Refused(404, "Not Found")
    if found.deleted:
        raise Refused(410, "This issue was deleted")
    if found.moved_to:
        raise _moved(call, found)
    return found


def _moved(call: Call, issue: Issue) -> Refused:
    """Return the refusal for a transferred issue.

    GitHub redirects requests for the issue itself and its labels; everything else below it is 404. Its
    OpenAPI file says so, and it was measured for comments and events in 2026:
    https://github.com/Systemorph/MeshWeaver/issues/4629.
    """
    now = call.state.get(Issue, issue.moved_to)
    below = call.url.partition(f"/issues/{issue.number}")[2]
    if now is None or not (below == "" or below.startswith("/labels")):
        return Refused(404, "Not Found")
    return moved(f"{call.state.api_url}/repositories/{now.repository}/issues/{now.number}{below}")


def page(call: Call, rows: Sequence[Any], shape: Callable[[Any], Any]) -> Answer:
    """Return the requested page of `rows`, with GitHub's Link header."""
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
