"""The comment of one row of the outbox: posted once, then edited."""

from bot.domain.thread import ReplyTarget, Thread
from bot.reports import twins
from bot.reports.publisher import Publisher, marker_of
from bot.store.outbox import Item


def comment(publisher: Publisher, thread: Thread, item: Item, text: str, target: ReplyTarget) -> int:
    """Post the comment, or edit it if it exists; return its id."""
    marker, there = marker_of(item.kind, item.subject), posted(publisher, thread, item, target)
    if there is None:
        return publisher.comment(thread, text, marker, target)
    publisher.edit_comment(thread, there, text, marker, target)
    return there


def posted(publisher: Publisher, thread: Thread, item: Item, target: ReplyTarget) -> int | None:
    """Return the id of the row's comment; None if there is none. After a crash it is found by its marker."""
    if item.remote_id is None and item.attempts > 0:
        return twins.keep_one(publisher.forge, thread, item, target)
    return item.remote_id
