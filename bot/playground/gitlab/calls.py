"""Refusals, pagination, and the thread that a path names, for the handlers of GitLab's API.

The state has GitHub's roles. Here read stands for a guest, triage for a reporter, write for a developer,
maintain for a maintainer, and admin for an owner.
"""

from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import urlencode

from bot.playground import permissions
from bot.playground.calls import Answer, Call
from bot.playground.state import Collaborator, Issue, Repository, State, User

KINDS = {"issues": "Issue", "merge_requests": "MergeRequest"}
TEXT_LIMIT = 1_000_000  # characters of a note or a description
SHORT_LIMIT = 255  # characters of a title or of a status


class Refused(Exception):
    """A 4xx response with GitLab's JSON: `message` is a text, a list, or texts by field."""

    def __init__(self, status: int, message: Any, *, key: str = "message") -> None:
        super().__init__(message)
        self.status = status
        self.body = {key: message}


def not_found(what: str = "") -> Refused:
    # Without a noun GitLab writes "found" in lower case.
    return Refused(404, f"404 {what} Not Found" if what else "404 Not found")


def forbidden() -> Refused:
    return Refused(403, "403 Forbidden")


def missing(name: str) -> Refused:
    return Refused(400, f"{name} is missing", key="error")


def may(call: Call, role: str) -> bool:
    return permissions.may(call.state, call.where, call.user, role)


def member(state: State, where: Repository, user: User | None) -> bool:
    """Return whether `user` is a member. Anybody may read a public project without being one."""
    if user is None:
        return False
    return user.login == where.owner or bool(
        state.first(Collaborator, lambda row: (row.repository, row.login) == (where.id, user.login))
    )


def thread(call: Call) -> Issue:
    """Return the issue or merge request that the path names. Confidential ones are hidden from most."""
    kind = KINDS.get(call.path["kind"])
    wanted = (call.where.id, call.path["iid"], kind == "MergeRequest", False)
    found = kind and call.state.first(
        Issue, lambda row: (row.repository, row.iid, bool(row.head), row.deleted) == wanted
    )
    if not found or not visible(call, found):
        raise not_found()
    return found


def visible(call: Call, row: Issue) -> bool:
    if not row.confidential or may(call, "triage"):
        return True
    return call.user is not None and call.login in {row.author, *row.assignees}


def again(call: Call, row: Issue) -> Issue:
    """Return the present row of this thread."""
    return call.state.get(Issue, row.id) or row


def text(call: Call, name: str, default: str | None = None) -> str:
    """Return the text in a field. Raises Refused if it is missing and has no default."""
    value = call.field(name, default)
    if value is None:
        raise missing(name)
    if not isinstance(value, str):
        raise Refused(400, f"{name} is invalid", key="error")
    return value


def truth(value: Any) -> bool:
    return value in (True, "true", 1, "1")


def names(value: Any) -> list[str]:
    """Return a list that was sent as such or comma-separated."""
    parts = value.split(",") if isinstance(value, str) else value or ()
    return [part.strip() for part in parts if part.strip()]


def page(call: Call, rows: Sequence[Any], shape: Callable[[Any], Any]) -> Answer:
    """Return the requested page of `rows`, with GitLab's headers."""
    try:
        size = min(100, max(1, int(call.query.get("per_page", 20))))
        number = max(1, int(call.query.get("page", 1)))
    except ValueError:
        raise Refused(400, "page is invalid", key="error") from None
    last = max(1, -(-len(rows) // size))
    before, after = (number - 1 if number > 1 else ""), (number + 1 if number < last else "")
    numbers = {"prev": before, "next": after, "first": 1, "last": last}
    links = [
        f'<{call.url}?{urlencode({**call.query, "page": value, "per_page": size})}>; rel="{name}"'
        for name, value in numbers.items()
        if value
    ]
    shown = [shape(row) for row in rows[(number - 1) * size : number * size]]
    headers = {
        "X-Page": number, "X-Per-Page": size, "X-Total": len(rows), "X-Total-Pages": last,
        "X-Prev-Page": before, "X-Next-Page": after, "Link": ", ".join(links),
    }  # fmt: skip
    return Answer(shown, headers={name: str(value) for name, value in headers.items()})
