"""What GitLab's handlers share: its refusals, its pages, its way to name a thread.

The state speaks GitHub's roles. Here read is a guest, triage a reporter, write
a developer, maintain a maintainer, and admin an owner.
"""

from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import urlencode

from bot.playground import rules
from bot.playground.calls import Answer, Call
from bot.playground.state import Collaborator, Issue, Repository, State, User

KINDS = {"issues": "Issue", "merge_requests": "MergeRequest"}
TEXT_LIMIT = 1_000_000  # characters of a note or a description
SHORT_LIMIT = 255  # characters of a title, or of what a status has to say


class Refused(Exception):
    """An answer of 4xx with GitLab's JSON for it: `message` is a text, a list, or texts by field."""

    def __init__(self, status: int, message: Any, *, key: str = "message") -> None:
        super().__init__(message)
        self.status = status
        self.body = {key: message}


def not_found(what: str = "") -> Refused:
    # Without a word for it GitLab writes the second one small.
    return Refused(404, f"404 {what} Not Found" if what else "404 Not found")


def forbidden() -> Refused:
    return Refused(403, "403 Forbidden")


def missing(name: str) -> Refused:
    return Refused(400, f"{name} is missing", key="error")


def may(call: Call, role: str) -> bool:
    return rules.may(call.state, call.where, call.user, role)


def member(state: State, where: Repository, user: User | None) -> bool:
    """Public projects are read by anybody, but not anybody is a member."""
    if user is None:
        return False
    return user.login == where.owner or bool(
        state.first(Collaborator, lambda row: (row.repository, row.login) == (where.id, user.login))
    )


def thread(call: Call) -> Issue:
    """The issue or merge request the path names. Confidential ones are not there for everybody."""
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
    """This row as it is now."""
    return call.state.get(Issue, row.id) or row


def text(call: Call, name: str, default: str | None = None) -> str:
    """The text in a field. Raises Refused where it is needed and not there."""
    value = call.field(name, default)
    if value is None:
        raise missing(name)
    if not isinstance(value, str):
        raise Refused(400, f"{name} is invalid", key="error")
    return value


def truth(value: Any) -> bool:
    return value in (True, "true", 1, "1")


def words(value: Any) -> list[str]:
    """A list, or its comma-separated form."""
    parts = value.split(",") if isinstance(value, str) else value or ()
    return [part.strip() for part in parts if part.strip()]


def page(call: Call, rows: Sequence[Any], shape: Callable[[Any], Any]) -> Answer:
    """The page of `rows` that was asked for, with GitLab's headers."""
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
