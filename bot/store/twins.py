"""Twins: two comments of one row of the outbox.

A forge may carry out a write long after the bot has given up waiting for it, or has died. So one minute after
the last try of a comment that had a try without an answer, a sender looks for twins once more.
"""

from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, case, select, update

from bot.store.ledger import clock
from bot.store.schema import outbox

LOOK_AFTER = 60.0  # seconds


def after_try(now: float, *, comments: ColumnElement[bool]) -> Any:
    """Return the time of the look for rows of which a try begins: only the post of a comment makes a twin."""
    return case((and_(comments, outbox.c.remote_id.is_(None)), now + LOOK_AFTER), else_=outbox.c.look_at)


def after_success(now: float, *, tries_before: int) -> Any:
    """Return the time of the look for a row that was sent. An edit of a known comment changes nothing."""
    posted = None if tries_before == 0 else now + LOOK_AFTER
    return case((outbox.c.remote_id.is_(None), posted), else_=outbox.c.look_at)


def looks(now: float) -> ColumnElement[bool]:
    """Select the rows to look at. A row that is due is looked at when it is sent."""
    return and_(outbox.c.look_at <= now, outbox.c.due_at.is_(None))


def of_thread(thread_key: str, now: float) -> Select[Any]:
    return select(outbox).where(outbox.c.thread_key == thread_key, looks(now)).order_by(outbox.c.id)


def looked(tx: Connection, row: int, comment: int | None) -> None:
    """Record the look, and the comment that stays; None if there is none.

    A comment of which the bot did not know becomes due, unless the forge refused the row: it may have an old
    text.
    """
    this = update(outbox).where(outbox.c.id == row)
    tx.execute(this.values(look_at=None))
    if comment is not None:
        unknown = this.where(outbox.c.remote_id.is_(None), outbox.c.refused == "")
        tx.execute(unknown.values(remote_id=comment, due_at=clock(tx)))


def look_later(tx: Connection, row: int, seconds: float) -> None:
    tx.execute(update(outbox).where(outbox.c.id == row).values(look_at=clock(tx) + seconds))
