"""What was commanded already, whatever the delivery it came in: the database refuses a twin."""

from collections.abc import Collection

from sqlalchemy import Connection, select

from bot.store.ledger import clock, insert_new
from bot.store.schema import causes


def add(tx: Connection, forge: str, repository_id: int, cause: str) -> bool:
    """Record the cause. False: this command was obeyed before, under this or another delivery."""
    row = {"forge": forge, "repository_id": repository_id, "cause": cause, "at": clock(tx)}
    return tx.execute(insert_new(tx, causes).values(row)).rowcount == 1


def any_known(tx: Connection, forge: str, repository_id: int, given: Collection[str]) -> bool:
    """Is one of these recorded by now?"""
    here = (causes.c.forge == forge) & (causes.c.repository_id == repository_id)
    return tx.execute(select(causes.c.at).where(here, causes.c.cause.in_(given))).first() is not None
