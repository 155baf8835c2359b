"""What must still be written to a forge. A row holds the wanted content, overwritten until sent.

Who takes rows to send them is the one sender of their thread (bot/store/thread_senders.py).
"""

import json
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Row, and_, case, func, select, update

from bot.store.ledger import clock, insert_new
from bot.store.schema import outbox

EDIT_EVERY = 10.0  # seconds between two edits of a progress comment


class Outgoing(StrEnum):
    """Kinds, in the order in which one thread hears them."""

    REACTION = "reaction"
    LABEL = "label"  # to put on or take off
    REPLY = "reply"
    STATUS = "status"
    CHANGE = "change"
    FINAL = "final"
    PROGRESS = "progress"  # after `final`, which ends it


ORDER = {kind: place for place, kind in enumerate(Outgoing)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One row, as a sender takes it."""

    id: int
    subject: str
    kind: Outgoing
    target: str
    thread_key: str
    content: dict[str, Any]
    version: int
    remote_id: int | None
    attempts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NewItem:
    """What somebody wants written."""

    subject: str
    kind: Outgoing
    thread_key: str
    content: dict[str, Any]
    target: str = ""


def put(tx: Connection, wanted: NewItem) -> None:
    """Add the row, or overwrite the content of the one already there and make it due."""
    if put_once(tx, wanted):
        return
    now = clock(tx)
    content = json.dumps(wanted.content)
    soonest = func.coalesce(outbox.c.sent_at, 0) + EDIT_EVERY
    throttled = and_(outbox.c.kind == Outgoing.PROGRESS, soonest > now)
    tx.execute(
        update(outbox)
        .where(_same(wanted), outbox.c.content != content, outbox.c.refused == "")
        .values(content=content, version=outbox.c.version + 1, due_at=case((throttled, soonest), else_=now))
    )


def put_once(tx: Connection, wanted: NewItem) -> bool:
    """Add the row unless one of that subject, kind and target was ever there."""
    now = clock(tx)
    row = {
        "subject": wanted.subject,
        "kind": wanted.kind,
        "target": wanted.target,
        "thread_key": wanted.thread_key,
        "content": json.dumps(wanted.content),
        "created_at": now,
        "due_at": now,
    }
    return tx.execute(insert_new(tx, outbox).values(row)).rowcount == 1


def due_threads(tx: Connection, limit: int) -> list[str]:
    """Threads that wait for a sender, the longest waiting first."""
    rows = tx.execute(
        select(outbox.c.thread_key)
        .where(outbox.c.due_at <= clock(tx))
        .group_by(outbox.c.thread_key)
        .order_by(func.min(outbox.c.due_at))
        .limit(limit)
    )
    return list(rows.scalars())


def due(tx: Connection, thread_key: str) -> list[Item]:
    """What is due on this thread, in the order in which it should be heard."""
    due_now = outbox.c.due_at <= clock(tx)
    rows = tx.execute(select(outbox).where(outbox.c.thread_key == thread_key, due_now))
    items = [_value(row) for row in rows]
    return sorted(items, key=lambda item: (ORDER[item.kind], item.id))


def of_subject(tx: Connection, subject: str, kind: Outgoing) -> list[Item]:
    """All rows of this kind a subject has, sent or not."""
    rows = tx.execute(select(outbox).where(outbox.c.subject == subject, outbox.c.kind == kind))
    return [_value(row) for row in rows]


def unsent(tx: Connection, subject: str, kind: Outgoing) -> bool:
    """Is something of this kind still to be sent for the subject?"""
    query = select(func.count()).where(
        outbox.c.subject == subject, outbox.c.kind == kind, outbox.c.due_at.is_not(None)
    )
    return int(tx.execute(query).scalar_one()) > 0


def begin_attempt(tx: Connection, item: Item) -> bool:
    """Record, before the call, that it is made: after a crash the marker is looked up first.

    False: it was retired since it was found due.
    """
    wanted = update(outbox).where(outbox.c.id == item.id, outbox.c.due_at.is_not(None))
    return tx.execute(wanted.values(attempts=outbox.c.attempts + 1)).rowcount == 1


def sent(tx: Connection, item: Item, remote_id: int | None) -> None:
    """Record that this version stands on the forge; a newer one becomes due."""
    now = clock(tx)
    # Without a time to try again it was retired while we sent it.
    newer = and_(outbox.c.version > item.version, outbox.c.due_at.is_not(None))
    later = now + (EDIT_EVERY if item.kind is Outgoing.PROGRESS else 0.0)
    tx.execute(
        update(outbox)
        .where(outbox.c.id == item.id)
        .values(
            sent_version=item.version,
            sent_at=now,
            remote_id=func.coalesce(remote_id, outbox.c.remote_id),
            attempts=0,
            due_at=case((newer, later), else_=None),
        )
    )


def recheck(tx: Connection, item: Item) -> None:
    """Two senders may have sent this: the next one looks for its marker and leaves one of the two."""
    this = update(outbox).where(outbox.c.id == item.id)
    tx.execute(this.values(remote_id=None, attempts=1, due_at=clock(tx)))


def try_later(tx: Connection, item: Item, seconds: float) -> None:
    wanted = update(outbox).where(outbox.c.id == item.id, outbox.c.due_at.is_not(None))
    tx.execute(wanted.values(due_at=clock(tx) + seconds))


def drop(tx: Connection, item: Item) -> None:
    """Try this version no more; a newer one is as welcome as ever."""
    this = update(outbox).where(outbox.c.id == item.id, outbox.c.version == item.version)
    tx.execute(this.values(due_at=None))


def give_up(tx: Connection, item: Item, why: str) -> None:
    """Record the forge's definite refusal; the task's page shows it."""
    tx.execute(update(outbox).where(outbox.c.id == item.id).values(due_at=None, refused=why))


def retire(tx: Connection, subject: str, kind: Outgoing) -> None:
    """Nothing of this kind is to be posted for the subject any more; what stands there is still edited."""
    unposted = and_(outbox.c.subject == subject, outbox.c.kind == kind, outbox.c.remote_id.is_(None))
    tx.execute(update(outbox).where(unposted).values(due_at=None))


def refusals(tx: Connection, subject: str) -> list[tuple[str, str]]:
    """(kind, words) of everything a forge refused to take for the subject."""
    rows = tx.execute(
        select(outbox.c.kind, outbox.c.refused).where(outbox.c.subject == subject, outbox.c.refused != "")
    )
    return [(row.kind, row.refused) for row in rows]


def _same(wanted: NewItem) -> Any:
    return and_(
        outbox.c.subject == wanted.subject,
        outbox.c.kind == wanted.kind,
        outbox.c.target == wanted.target,
        outbox.c.thread_key == wanted.thread_key,
    )


def _value(row: Row[Any]) -> Item:
    return Item(
        id=row.id,
        subject=row.subject,
        kind=Outgoing(row.kind),
        target=row.target,
        thread_key=row.thread_key,
        content=json.loads(row.content),
        version=row.version,
        remote_id=row.remote_id,
        attempts=row.attempts,
    )
