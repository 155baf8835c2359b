"""Keys that every process of one bot must agree on: made once, by whoever comes first."""

from sqlalchemy import Connection, select

from bot.store.ledger import insert_new
from bot.store.schema import keys


def find(tx: Connection, name: str) -> str:
    """The key of this name; "" if there is none yet."""
    found: str | None = tx.execute(select(keys.c.value).where(keys.c.name == name)).scalar_one_or_none()
    return found or ""


def once(tx: Connection, name: str, value: str) -> str:
    """The key of this name, which is `value` where nobody was here before."""
    tx.execute(insert_new(tx, keys).values(name=name, value=value))
    return find(tx, name)
