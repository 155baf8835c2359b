"""Webhook bodies of GitHub, read into what the rest of the bot understands. No I/O.

Only what is needed is looked at: GitHub's own examples do not all fit GitHub's
own schemas, so a payload is never held against one as a whole.
"""

from collections.abc import Callable
from datetime import datetime
from typing import TypeVar

from pydantic_core import from_json

from bot.errors import NotUnderstood
from bot.events import Assigned, Commented, Event, Labelled, lines_part, thread_part
from bot.model import Actor, Kind, Part, Spot, Thread
from bot.urls import canonical

T = TypeVar("T", int, str)


def parse(event: str, body: bytes) -> list[Event]:
    """Read one delivery; [] if it says nothing to us.

    Raises ValueError, naming the field, where something needed is missing.
    """
    actions = _EVENTS.get(event)
    if actions is None:
        return []
    payload = from_json(body, allow_inf_nan=False)
    read = actions.get(_get(payload, "action", str))
    found = read(payload) if read else None
    return [] if found is None else [found]


def _commented(payload: object) -> Commented:
    comment_id = _get(payload, "comment.id", int)
    thread = _thread(payload, "issue")
    return Commented(
        cause=f"comment:{comment_id}",
        thread=thread,
        actor=_author(payload, "comment.user"),
        at=_time(payload, "comment.created_at"),
        context=(_thread_part(payload, thread, "issue"),),
        spot=Spot(comment_id=comment_id),
        body=_get(payload, "comment.body", str),
    )


def _commented_inline(payload: object) -> Commented:
    comment_id = _get(payload, "comment.id", int)
    thread = _thread(payload, "pull_request")
    # A discussion goes by the number of its first comment. An outdated one has no line any more.
    first = _number(payload, "comment.in_reply_to_id") or comment_id
    line = _number(payload, "comment.line") or _number(payload, "comment.original_line")
    lines = lines_part(_text(payload, "comment.path"), line, _text(payload, "comment.diff_hunk"))
    return Commented(
        cause=f"review-comment:{comment_id}",
        thread=thread,
        actor=_author(payload, "comment.user"),
        at=_time(payload, "comment.created_at"),
        context=(lines, _thread_part(payload, thread, "pull_request")),
        spot=Spot(comment_id=comment_id, discussion=str(first)),
        body=_get(payload, "comment.body", str),
    )


def _reviewed(payload: object) -> Commented:
    thread = _thread(payload, "pull_request")
    return Commented(
        cause=f"review:{_get(payload, 'review.id', int)}",
        thread=thread,
        actor=_author(payload, "review.user"),
        at=_time(payload, "review.submitted_at"),
        context=(_thread_part(payload, thread, "pull_request"),),
        spot=Spot(),  # reviews take no reactions
        body=_text(payload, "review.body"),
    )


def _labelled(payload: object) -> Labelled:
    subject = _subject(payload)
    thread = _thread(payload, subject)
    label = _get(payload, "label.name", str)
    at = f"{subject}.updated_at"
    return Labelled(
        cause=f"label:{thread.kind}/{thread.number}:{label}:{_get(payload, at, str)}",
        thread=thread,
        actor=_actor(payload, "sender"),
        at=_time(payload, at),
        context=(_thread_part(payload, thread, subject),),
        label=label,
    )


def _assigned(payload: object) -> Assigned | None:
    return _to_somebody(payload, "assignee", review=False)


def _review_requested(payload: object) -> Assigned | None:
    return _to_somebody(payload, "requested_reviewer", review=True)


def _to_somebody(payload: object, who: str, *, review: bool) -> Assigned | None:
    """None where a whole team is asked."""
    if _at(payload, who) is None:
        return None
    subject = _subject(payload)
    thread = _thread(payload, subject)
    at = f"{subject}.updated_at"
    word = "review-requested" if review else "assigned"
    return Assigned(
        cause=f"{word}:{thread.kind}/{thread.number}:{_get(payload, at, str)}",
        thread=thread,
        actor=_actor(payload, "sender"),
        at=_time(payload, at),
        context=(_thread_part(payload, thread, subject),),
        assignee_id=_get(payload, f"{who}.id", int),
        review=review,
    )


_EVENTS: dict[str, dict[str, Callable[[object], Event | None]]] = {
    "issue_comment": {"created": _commented},
    "issues": {"labeled": _labelled, "assigned": _assigned},
    "pull_request": {
        "labeled": _labelled,
        "assigned": _assigned,
        "review_requested": _review_requested,
    },
    "pull_request_review": {"submitted": _reviewed},
    "pull_request_review_comment": {"created": _commented_inline},
}
EVENTS = frozenset(_EVENTS)  # the others say nothing to us


def _subject(payload: object) -> str:
    return "issue" if _at(payload, "pull_request") is None else "pull_request"


def _thread_part(payload: object, thread: Thread, subject: str) -> Part:
    return thread_part(
        thread,
        _text(payload, f"{subject}.body"),
        author=_text(payload, f"{subject}.user.login"),
        at=_text(payload, f"{subject}.created_at"),
    )


def _thread(payload: object, subject: str) -> Thread:
    # GitHub calls a pull request an issue too, and then marks it.
    change = subject == "pull_request" or _at(payload, f"{subject}.pull_request") is not None
    try:
        url = canonical(_get(payload, "repository.html_url", str))
    except NotUnderstood as error:
        raise ValueError(f"repository.html_url: {error}") from error
    return Thread(
        forge="github",
        repository_id=_get(payload, "repository.id", int),
        repository_url=url,
        path=_get(payload, "repository.full_name", str),
        kind=Kind.CHANGE if change else Kind.ISSUE,
        number=_get(payload, f"{subject}.number", int),
        title=_text(payload, f"{subject}.title"),
    )


def _author(payload: object, path: str) -> Actor:
    """Who wrote it. What is new is sent by its author; whoever else sends it is not the one who speaks."""
    actor = _actor(payload, path)
    if actor.id != _get(payload, "sender.id", int):
        raise ValueError(f"{path} is not the sender")
    return actor


def _actor(payload: object, path: str) -> Actor:
    return Actor(
        id=_get(payload, f"{path}.id", int),
        login=_get(payload, f"{path}.login", str),
        bot=_get(payload, f"{path}.type", str) == "Bot",
    )


def _time(payload: object, path: str) -> datetime:
    text = _get(payload, path, str)
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{path} is no time: {text[:40]!r}") from None
    if time.tzinfo is None:
        raise ValueError(f"{path} has no time zone: {text!r}")
    return time


def _text(payload: object, path: str) -> str:
    """What may be null or missing."""
    return "" if _at(payload, path) is None else _get(payload, path, str)


def _number(payload: object, path: str) -> int | None:
    """What may be null or missing."""
    return None if _at(payload, path) is None else _get(payload, path, int)


def _get(payload: object, path: str, kind: type[T]) -> T:
    value = _at(payload, path)
    if isinstance(value, kind) and not isinstance(value, bool):
        # The parser refuses lone surrogates by itself; PostgreSQL takes no NUL in a text.
        return value.replace("\0", "") if isinstance(value, str) else value
    raise ValueError(f"{path} is missing or no {kind.__name__}")


def _at(payload: object, path: str) -> object:
    for name in path.split("."):
        payload = payload.get(name) if isinstance(payload, dict) else None
    return payload
