"""The outbox: content to write to a forge. A new version of a row overwrites one that is not sent yet.

Only the current sender of a thread (bot/store/sender_leases.py) sends its rows.
"""

import json
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Row, and_, case, func, select, union_all, update

from bot.store import twins
from bot.store.ledger import clock, insert_new
from bot.store.schema import outbox

EDIT_EVERY = 10.0  # seconds between two edits of a progress comment


class Outgoing(StrEnum):
    """Kinds of rows, in the order in which they are sent to a thread."""

    REACTION = "reaction"
    LABEL = "label"  # to add or to remove
    REPLY = "reply"
    STATUS = "status"
    CHANGE = "change"
    FINAL = "final"
    PROGRESS = "progress"  # its last version is sent after the final comment


COMMENTS = (Outgoing.REPLY, Outgoing.FINAL, Outgoing.PROGRESS)
ORDER = {kind: place for place, kind in enumerate(Outgoing)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One row, as a sender reads it."""

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
    """Content to put into the outbox."""

    subject: str
    kind: Outgoing
    thread_key: str
    content: dict[str, Any]
    target: str = ""


def put(tx: Connection, new: NewItem) -> None:
    """Add a row, or overwrite the content of the existing one and make it due."""
    if put_once(tx, new):
        return
    now = clock(tx)
    content = json.dumps(new.content)
    soonest = func.coalesce(outbox.c.sent_at, 0) + EDIT_EVERY
    throttled = and_(outbox.c.kind == Outgoing.PROGRESS, soonest > now)
    tx.execute(
        update(outbox)
        .where(_same(new), outbox.c.content != content, outbox.c.refused == "")
        .values(content=content, version=outbox.c.version + 1, due_at=case((throttled, soonest), else_=now))
    )


def put_once(tx: Connection, new: NewItem) -> bool:
    """Add a row unless one with this subject, kind, target and thread exists, sent or not.

    Return whether it was added.
    """
    now = clock(tx)
    row = {
        "subject": new.subject,
        "kind": new.kind,
        "target": new.target,
        "thread_key": new.thread_key,
        "content": json.dumps(new.content),
        "created_at": now,
        "due_at": now,
    }
    return tx.execute(insert_new(tx, outbox).values(row)).rowcount == 1


def due_threads(tx: Connection, limit: int) -> list[str]:
    """Return keys of threads with rows that are due, or due for a look for twins, the longest due first."""
    now = clock(tx)
    due_now = select(outbox.c.thread_key, outbox.c.due_at.label("at")).where(outbox.c.due_at <= now)
    to_look = select(outbox.c.thread_key, outbox.c.look_at.label("at")).where(twins.looks(now))
    each = union_all(due_now, to_look).subquery()
    rows = select(each.c.thread_key).group_by(each.c.thread_key).order_by(func.min(each.c.at)).limit(limit)
    return list(tx.execute(rows).scalars())


def due(tx: Connection, thread_key: str) -> list[Item]:
    """Return the due rows of this thread, in the order in which to send them."""
    due_now = outbox.c.due_at <= clock(tx)
    rows = tx.execute(select(outbox).where(outbox.c.thread_key == thread_key, due_now))
    items = [_value(row) for row in rows]
    return sorted(items, key=lambda item: (ORDER[item.kind], item.id))


def due_looks(tx: Connection, thread_key: str) -> list[Item]:
    """Return the rows of this thread whose comments may have twins by now."""
    return [_value(row) for row in tx.execute(twins.of_thread(thread_key, clock(tx)))]


def of_subject(tx: Connection, subject: str, kind: Outgoing) -> list[Item]:
    """Return all rows of this kind and subject, sent or not."""
    rows = tx.execute(select(outbox).where(outbox.c.subject == subject, outbox.c.kind == kind))
    return [_value(row) for row in rows]


def unsent(tx: Connection, subject: str, kind: Outgoing) -> bool:
    """Report whether a row of this kind and subject is not sent yet."""
    query = select(func.count()).where(
        outbox.c.subject == subject, outbox.c.kind == kind, outbox.c.due_at.is_not(None)
    )
    return int(tx.execute(query).scalar_one()) > 0


def start_sending(tx: Connection, item: Item) -> bool:
    """Count an attempt before the call to the forge, so that after a crash the marker is looked up first.

    Return False if the row has been retired meanwhile.
    """
    pending = update(outbox).where(outbox.c.id == item.id, outbox.c.due_at.is_not(None))
    look_at = twins.after_try(clock(tx), comments=outbox.c.kind.in_(COMMENTS))
    return tx.execute(pending.values(attempts=outbox.c.attempts + 1, look_at=look_at)).rowcount == 1


def sent(tx: Connection, item: Item, remote_id: int | None) -> None:
    """Record that this version is on the forge, with its id there; a newer version becomes due."""
    now = clock(tx)
    # Without `due_at` the row was retired while this version was being sent.
    newer = and_(outbox.c.version > item.version, outbox.c.due_at.is_not(None))
    later = now + (EDIT_EVERY if item.kind is Outgoing.PROGRESS else 0.0)
    tx.execute(
        update(outbox)
        .where(outbox.c.id == item.id)
        .values(
            sent_version=item.version,
            sent_at=now,
            remote_id=func.coalesce(remote_id, outbox.c.remote_id),
            look_at=twins.after_success(now, tries_before=item.attempts),
            attempts=0,
            due_at=case((newer, later), else_=None),
        )
    )


def recheck(tx: Connection, item: Item) -> None:
    """Make the row due again, because two senders may have sent it.

    The next sender finds both comments by the marker and deletes one.
    """
    this = update(outbox).where(outbox.c.id == item.id)
    tx.execute(this.values(remote_id=None, attempts=1, due_at=clock(tx)))


def try_later(tx: Connection, item: Item, seconds: float) -> None:
    """Make the row due in `seconds`, unless it has been retired."""
    pending = update(outbox).where(outbox.c.id == item.id, outbox.c.due_at.is_not(None))
    tx.execute(pending.values(due_at=clock(tx) + seconds))


def drop(tx: Connection, item: Item) -> None:
    """Cancel the sending of this version; a newer version is still sent."""
    this = update(outbox).where(outbox.c.id == item.id, outbox.c.version == item.version)
    tx.execute(this.values(due_at=None))


def give_up(tx: Connection, item: Item, reason: str) -> None:
    """Record that the forge definitely refused the row; the task's page shows the reason."""
    tx.execute(update(outbox).where(outbox.c.id == item.id).values(due_at=None, refused=reason))


def retire(tx: Connection, subject: str, kind: Outgoing) -> None:
    """Cancel the posting of rows of this kind and subject; those that may be posted become due at once."""
    these = and_(outbox.c.subject == subject, outbox.c.kind == kind, outbox.c.due_at.is_not(None))
    untried = and_(outbox.c.remote_id.is_(None), outbox.c.attempts == 0)
    tx.execute(update(outbox).where(these).values(due_at=case((untried, None), else_=clock(tx))))


def refusals(tx: Connection, subject: str) -> list[tuple[str, str]]:
    """Return (kind, reason) of all rows of the subject that a forge refused."""
    rows = tx.execute(
        select(outbox.c.kind, outbox.c.refused).where(outbox.c.subject == subject, outbox.c.refused != "")
    )
    return [(row.kind, row.refused) for row in rows]


def _same(new: NewItem) -> Any:
    return and_(
        outbox.c.subject == new.subject,
        outbox.c.kind == new.kind,
        outbox.c.target == new.target,
        outbox.c.thread_key == new.thread_key,
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
