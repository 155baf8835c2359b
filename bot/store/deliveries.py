"""Webhook requests as received. A row here before the 202 is what the 202 promises."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, and_, func, select, update

from bot.store.ledger import CLOCK, clock
from bot.store.schema import deliveries

BODY_KEPT = 14 * 86400  # seconds

# In the drivers' own words, clock included: in SQLAlchemy's the writing of a batch takes half as much again.
_RECORD = {
    dialect: "INSERT INTO deliveries (forge, id, event, body, received_at, due_at)"
    f" VALUES ({mark}, {mark}, {mark}, {mark}, {CLOCK[dialect]}, {CLOCK[dialect]}) ON CONFLICT DO NOTHING"
    for dialect, mark in {"sqlite": "?", "postgresql": "%s"}.items()
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One webhook request: raw bytes, and the two headers that matter."""

    forge: str
    id: str
    event: str
    body: bytes
    attempts: int = 0
    age: float = 0.0  # seconds since it was received


def record(tx: Connection, batch: Sequence[Delivery]) -> None:
    """Insert the deliveries; the ones already there are left as they are.

    Sorted by key, so that two receivers with crossed batches cannot deadlock.
    """
    rows = [(d.forge, d.id, d.event, d.body) for d in sorted(batch, key=lambda d: (d.forge, d.id))]
    tx.exec_driver_sql(_RECORD[tx.dialect.name], rows)


def get_unanswered(tx: Connection, forge: str, delivery_id: str) -> Delivery | None:
    """The delivery, if it still waits for its answer."""
    row = tx.execute(select(deliveries).where(_unanswered(forge, delivery_id))).one_or_none()
    if row is None or row.body is None:
        return None
    age = clock(tx) - row.received_at
    return Delivery(
        forge=row.forge, id=row.id, event=row.event, body=row.body, attempts=row.attempts, age=age
    )


def due(tx: Connection, limit: int) -> list[tuple[str, str]]:
    """Keys (forge, id) of deliveries whose time has come, oldest first."""
    rows = tx.execute(
        select(deliveries.c.forge, deliveries.c.id)
        .where(deliveries.c.answered_at.is_(None), deliveries.c.due_at <= clock(tx))
        .order_by(deliveries.c.due_at)
        .limit(limit)
    )
    return [(row.forge, row.id) for row in rows]


def mark_answered(tx: Connection, forge: str, delivery_id: str, error: str = "") -> bool:
    """Mark it answered. False: somebody else did, and this transaction must not go on."""
    this = update(deliveries).where(_unanswered(forge, delivery_id))
    return tx.execute(this.values(answered_at=clock(tx), error=error)).rowcount == 1


def try_later(tx: Connection, forge: str, delivery_id: str, seconds: float, error: str) -> None:
    """Leave it unanswered and due again in `seconds`."""
    this = update(deliveries).where(_unanswered(forge, delivery_id))
    tx.execute(this.values(due_at=clock(tx) + seconds, attempts=deliveries.c.attempts + 1, error=error))


def drop_old_bodies(tx: Connection) -> int:
    """Forget bodies past their time; the keys stay, so that a late twin is still known."""
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
    query = select(func.count()).select_from(deliveries).where(deliveries.c.answered_at.is_(None))
    return int(tx.execute(query).scalar_one())


def _unanswered(forge: str, delivery_id: str) -> ColumnElement[bool]:
    return and_(
        deliveries.c.forge == forge, deliveries.c.id == delivery_id, deliveries.c.answered_at.is_(None)
    )
