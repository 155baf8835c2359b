"""Webhook requests as received. The response 202 promises that the row is stored."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, and_, func, select, update

from bot.store.ledger import CLOCK, clock
from bot.store.schema import deliveries

BODY_KEPT = 14 * 86400  # seconds

# SQL that is given to the driver as text: through SQLAlchemy, a batch takes 50 % longer.
_RECORD = {
    dialect: "INSERT INTO deliveries (forge, id, event, body, received_at, due_at)"
    f" VALUES ({mark}, {mark}, {mark}, {mark}, {CLOCK[dialect]}, {CLOCK[dialect]}) ON CONFLICT DO NOTHING"
    for dialect, mark in {"sqlite": "?", "postgresql": "%s"}.items()
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One webhook request: its raw body, and the delivery id and event name from its headers."""

    forge: str
    id: str
    event: str
    body: bytes
    attempts: int = 0
    age: float = 0.0  # seconds since it was received
    read_at: float = 0.0  # by the ledger's clock


def record(tx: Connection, batch: Sequence[Delivery]) -> None:
    """Insert the deliveries; rows that exist already stay as they are.

    The batch is sorted by key, so that two receivers with overlapping batches cannot deadlock.
    """
    rows = [(d.forge, d.id, d.event, d.body) for d in sorted(batch, key=lambda d: (d.forge, d.id))]
    tx.exec_driver_sql(_RECORD[tx.dialect.name], rows)


def get_unanswered(tx: Connection, forge: str, delivery_id: str) -> Delivery | None:
    """Return the delivery if it is not answered yet."""
    row = tx.execute(select(deliveries).where(_unanswered(forge, delivery_id))).one_or_none()
    if row is None or row.body is None:
        return None
    now = clock(tx)
    return Delivery(
        forge=row.forge,
        id=row.id,
        event=row.event,
        body=row.body,
        attempts=row.attempts,
        age=now - row.received_at,
        read_at=now,
    )


def due(tx: Connection, limit: int) -> list[tuple[str, str]]:
    """Return keys (forge, id) of up to `limit` deliveries that are due, longest due first."""
    rows = tx.execute(
        select(deliveries.c.forge, deliveries.c.id)
        .where(deliveries.c.answered_at.is_(None), deliveries.c.due_at <= clock(tx))
        .order_by(deliveries.c.due_at)
        .limit(limit)
    )
    return [(row.forge, row.id) for row in rows]


def mark_answered(tx: Connection, forge: str, delivery_id: str, error: str = "") -> bool:
    """Mark the delivery answered. False: another process did that before, and the caller must roll back."""
    this = update(deliveries).where(_unanswered(forge, delivery_id))
    return tx.execute(this.values(answered_at=clock(tx), error=error)).rowcount == 1


def try_later(tx: Connection, forge: str, delivery_id: str, seconds: float, error: str) -> None:
    """Count a failed attempt; the delivery is due again in `seconds`."""
    this = update(deliveries).where(_unanswered(forge, delivery_id))
    tx.execute(this.values(due_at=clock(tx) + seconds, attempts=deliveries.c.attempts + 1, error=error))


def drop_old_bodies(tx: Connection) -> int:
    """Delete bodies of answered deliveries after 14 days and count them.

    The keys stay, so that a late duplicate is recognised.
    """
    result = tx.execute(
        update(deliveries)
        .where(
            deliveries.c.body.is_not(None),
            deliveries.c.received_at < clock(tx) - BODY_KEPT,
            deliveries.c.answered_at.is_not(None),
        )
        .values(body=None)
    )
    return int(result.rowcount)


def count_unanswered(tx: Connection) -> int:
    """Count the deliveries that are not answered yet."""
    query = select(func.count()).select_from(deliveries).where(deliveries.c.answered_at.is_(None))
    return int(tx.execute(query).scalar_one())


def _unanswered(forge: str, delivery_id: str) -> ColumnElement[bool]:
    return and_(
        deliveries.c.forge == forge, deliveries.c.id == delivery_id, deliveries.c.answered_at.is_(None)
    )
