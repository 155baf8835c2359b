"""Webhook bodies of GitHub, read into what the rest of the bot understands. No I/O.

Only what is needed is looked at: GitHub's own examples do not all fit GitHub's
own schemas, so a payload is never held against one as a whole.
"""

from datetime import datetime
from typing import TypeVar

from pydantic_core import from_json

from bot.errors import NotUnderstood
from bot.events import Commented, Event, Labelled
from bot.model import Actor, Kind, Thread
from bot.urls import canonical

T = TypeVar("T", int, str)

_ACTION = {"issue_comment": "created", "issues": "labeled", "pull_request": "labeled"}
EVENTS = frozenset(_ACTION)  # the others say nothing to us


def parse(event: str, body: bytes) -> list[Event]:
    """Read one delivery; [] if it says nothing to us.

    Raises ValueError, naming the field, where something needed is missing.
    """
    if event not in _ACTION:
        return []
    payload = from_json(body, allow_inf_nan=False)
    if _get(payload, "action", str) != _ACTION[event]:
        return []
    return [_commented(payload) if event == "issue_comment" else _labelled(payload)]


def _commented(payload: object) -> Commented:
    actor = _actor(payload, "comment.user")
    if actor.id != _get(payload, "sender.id", int):
        # On `created` both are the author; whoever else sends it is not the one who speaks.
        raise ValueError("comment.user is not the sender")
    comment_id = _get(payload, "comment.id", int)
    return Commented(
        cause=f"comment:{comment_id}",
        thread=_thread(payload, "issue"),
        actor=actor,
        comment_id=comment_id,
        body=_get(payload, "comment.body", str),
        at=_time(payload, "comment.created_at"),
        thread_body=_text(payload, "issue.body"),
        default_branch=_text(payload, "repository.default_branch"),
    )


def _labelled(payload: object) -> Labelled:
    subject = "issue" if _at(payload, "pull_request") is None else "pull_request"
    thread = _thread(payload, subject)
    label = _get(payload, "label.name", str)
    at = f"{subject}.updated_at"
    return Labelled(
        cause=f"label:{thread.kind}/{thread.number}:{label}:{_get(payload, at, str)}",
        thread=thread,
        actor=_actor(payload, "sender"),
        label=label,
        at=_time(payload, at),
        thread_body=_text(payload, f"{subject}.body"),
        default_branch=_text(payload, "repository.default_branch"),
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
