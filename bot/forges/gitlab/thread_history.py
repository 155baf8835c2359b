"""The history of a thread of GitLab before an event: its notes, also those on lines of a diff."""

from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import urlencode

from bot.domain.event import Commented, Event
from bot.domain.thread import Actor, Part, PartKind
from bot.forges.gitlab.client import GitLabClient
from bot.forges.payload import at, count, get, listed, may_be_true, number, text, time
from bot.forges.prompt_parts import lines_comment

_PAGE = 100  # rows: GitLab's maximum
_PAGES = 3


def notes(client: GitLabClient, place: str) -> Iterator[Any]:
    """Yield the notes of people, newest first, up to 300. GitLab's system notes are left out.

    Raises ValueError.
    """
    page = "1"
    for _ in range(_PAGES):
        query = {"sort": "desc", "activity_filter": "only_comments", "per_page": _PAGE, "page": page}
        answer = client.ask("GET", f"{place}/notes?{urlencode(query)}")
        yield from listed(answer.data)
        page = answer.headers.get("X-Next-Page", "")
        if not page:
            return


def before(rows: Iterable[Any], event: Event, me: Actor) -> list[Part]:
    """Return the notes of others than `me` before the event, oldest first; `rows` has the newest first."""
    for_members = event.thread.confidential or (isinstance(event, Commented) and event.reply_target.internal)
    parts = [
        _part(note)
        for note in rows
        if _is_unchanged(note, event)
        and number(note, "author.id") != me.id
        and event.cause != f"comment:{get(note, 'id', int)}"
        and (for_members or not _is_internal(note))
    ]
    return parts[::-1]


def _is_unchanged(note: Any, event: Event) -> bool:
    """Report whether the note existed at the time of the event with its present text.

    Hooks have whole seconds.
    """
    times = (time(note, "created_at"), time(note, "updated_at"))
    return max(times).replace(microsecond=0) <= event.at


def _is_internal(note: Any) -> bool:
    # Until 15.x there was only `confidential`.
    return may_be_true(note, "internal") or may_be_true(note, "confidential")


def _part(note: Any) -> Part:
    author, when, body = text(note, "author.username"), text(note, "created_at"), text(note, "body")
    if at(note, "position") is None:
        return Part(kind=PartKind.COMMENT, text=body, author=author, at=when)
    new = count(note, "position.new_line")
    side = "old" if new is None else "new"
    path, line = text(note, f"position.{side}_path"), count(note, f"position.{side}_line")
    return lines_comment(path, line, "", body, author=author, at=when)
