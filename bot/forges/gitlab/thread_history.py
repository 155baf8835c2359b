"""What was said on a thread of GitLab before an event: its notes, those on lines of a diff among them."""

from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import urlencode

from bot.domain.event import Commented, Event
from bot.domain.thread import Actor, Part, PartKind
from bot.forges.gitlab.client import GitLabClient
from bot.forges.parts import lines_comment
from bot.forges.payload import at, count, number, text, time

_PAGE = 100  # the most GitLab gives at once
_PAGES = 3


def notes(client: GitLabClient, place: str) -> Iterator[Any]:
    """What people wrote, newest first, up to 300 notes. GitLab's own notes are not among them."""
    page = "1"
    for _ in range(_PAGES):
        query = {"sort": "desc", "activity_filter": "only_comments", "per_page": _PAGE, "page": page}
        answer = client.ask("GET", f"{place}/notes?{urlencode(query)}")
        yield from answer.data
        page = answer.headers.get("X-Next-Page", "")
        if not page:
            return


def before(found: Iterable[Any], event: Event, me: Actor) -> list[Part]:
    """Of these notes, newest first, what others than `me` said before the event, oldest first."""
    among_members = event.thread.confidential or (
        isinstance(event, Commented) and event.reply_target.internal
    )
    parts = [
        _part(note)
        for note in found
        if _stood(note, event)
        and number(note, "author.id") != me.id
        and event.cause != f"comment:{note['id']}"
        and (among_members or not _is_internal(note))
    ]
    return parts[::-1]


def _stood(note: Any, event: Event) -> bool:
    """Was it there, in these words, when the event came about? Hooks tell whole seconds."""
    times = (time(note, "created_at"), time(note, "updated_at"))
    return max(times).replace(microsecond=0) <= event.at


def _is_internal(note: Any) -> bool:
    # Until 15.x there was only the older word.
    return at(note, "internal") is True or at(note, "confidential") is True


def _part(note: Any) -> Part:
    author, when, body = text(note, "author.username"), text(note, "created_at"), text(note, "body")
    if at(note, "position") is None:
        return Part(kind=PartKind.COMMENT, text=body, author=author, at=when)
    new = count(note, "position.new_line")
    side = "old" if new is None else "new"
    path, line = text(note, f"position.{side}_path"), count(note, f"position.{side}_line")
    return lines_comment(path, line, "", body, author=author, at=when)
