"""Idempotency keys of commands: the database refuses a second row with a key, whichever delivery has it."""

from collections.abc import Collection

from sqlalchemy import Connection, select

from bot.store.ledger import clock, insert_new
from bot.store.schema import causes


def add(tx: Connection, forge: str, repository_id: int, cause: str) -> bool:
    """Record the cause. Return False if it is recorded already, by this or another delivery."""
    row = {"forge": forge, "repository_id": repository_id, "cause": cause, "at": clock(tx)}
    return tx.execute(insert_new(tx, causes).values(row)).rowcount == 1


def any_known(tx: Connection, forge: str, repository_id: int, candidates: Collection[str]) -> bool:
    """Report whether at least one of these causes is recorded."""
    here = (causes.c.forge == forge) & (causes.c.repository_id == repository_id)
    return tx.execute(select(causes.c.at).where(here, causes.c.cause.in_(candidates))).first() is not None
