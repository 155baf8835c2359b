"""Senders: one writes to a thread at a time, across processes, so that two comments never cross."""

from collections.abc import Callable

from sqlalchemy import Connection, and_, delete, select, update

from bot.store.ledger import clock, insert_new
from bot.store.schema import senders

_LAST_CALL = 0.25  # of its lease: for so long what a dead sender has sent may still be on its way


def take(
    tx: Connection,
    thread_key: str,
    holder: str,
    *,
    seconds: float,
    is_dead: Callable[[str], bool] = lambda _: False,
) -> bool:
    """Become the one sender of this thread for so many seconds. False: there is one, even our own.

    `is_dead` says of a holder whether it is known to have ended; its lease then ends early.
    """
    now = clock(tx)
    row = {"thread_key": thread_key, "holder": holder, "until": now + seconds}
    if tx.execute(insert_new(tx, senders).values(row)).rowcount == 1:
        return True
    there = select(senders.c.holder).where(senders.c.thread_key == thread_key)
    before = tx.execute(there).scalar_one_or_none()
    if before is None:  # it has just left: whoever nudges next finds the place free
        return False
    over = now + (seconds * (1 - _LAST_CALL) if is_dead(before) else 0.0)
    left = and_(senders.c.thread_key == thread_key, senders.c.holder == before, senders.c.until < over)
    taken = update(senders).where(left).values(holder=holder, until=now + seconds)
    return tx.execute(taken).rowcount == 1


def extend(tx: Connection, thread_key: str, holder: str, seconds: float) -> bool:
    """Stay the one sender for so long from now. False: we took too long, and another has begun."""
    mine = and_(senders.c.thread_key == thread_key, senders.c.holder == holder)
    return tx.execute(update(senders).where(mine).values(until=clock(tx) + seconds)).rowcount == 1


def release(tx: Connection, thread_key: str, holder: str) -> None:
    tx.execute(delete(senders).where(senders.c.thread_key == thread_key, senders.c.holder == holder))
