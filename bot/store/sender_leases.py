"""Senders: at most one process writes to a thread at a time, so that no comment is posted twice."""

from collections.abc import Callable

from sqlalchemy import Connection, and_, delete, select, update

from bot.store.ledger import clock, insert_new
from bot.store.schema import senders


def take(
    tx: Connection,
    thread_key: str,
    holder: str,
    *,
    seconds: float,
    is_dead: Callable[[str], bool] = lambda _: False,
) -> bool:
    """Take the thread for so many seconds, as its only sender.

    Return False if the thread already has a sender, also if that is `holder`. `is_dead` tells whether a
    holder is known to have ended; its lease then ends at once. The last request of a dead sender may still
    reach the forge, so the new one looks for twins (bot/store/twins.py).
    """
    now = clock(tx)
    row = {"thread_key": thread_key, "holder": holder, "until": now + seconds}
    if tx.execute(insert_new(tx, senders).values(row)).rowcount == 1:
        return True
    there = select(senders.c.holder).where(senders.c.thread_key == thread_key)
    before = tx.execute(there).scalar_one_or_none()
    if before is None:  # released just now; the next nudge will find it free
        return False
    taken = update(senders).where(senders.c.thread_key == thread_key, senders.c.holder == before)
    if not is_dead(before):
        taken = taken.where(senders.c.until < now)
    return tx.execute(taken.values(holder=holder, until=now + seconds)).rowcount == 1


def extend(tx: Connection, thread_key: str, holder: str, seconds: float) -> bool:
    """Extend the lease to `seconds` from now. Return False if another sender has taken the thread."""
    mine = and_(senders.c.thread_key == thread_key, senders.c.holder == holder)
    return tx.execute(update(senders).where(mine).values(until=clock(tx) + seconds)).rowcount == 1


def release(tx: Connection, thread_key: str, holder: str) -> None:
    """Release the thread, if this holder still has it."""
    tx.execute(delete(senders).where(senders.c.thread_key == thread_key, senders.c.holder == holder))
