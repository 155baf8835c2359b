"""Hosts: who was heard of last when. One that is silent for long has its tasks gone on with elsewhere."""

from typing import Any

from sqlalchemy import Connection, Select, select, update

from bot.domain.errors import BadSettings
from bot.store.ledger import clock, insert_new
from bot.store.schema import hosts

# Seconds. Going on elsewhere loses what was not pushed, so a machine is given the time to start again.
UNRESPONSIVE_AFTER = 300.0


def record_seen(tx: Connection, name: str, folder: str, unresponsive_after: float) -> None:
    """Record that this host is there, and by which data folder it goes.

    Raises BadSettings where the same name was heard of from another data folder not long ago.
    """
    now = clock(tx)
    tx.execute(insert_new(tx, hosts).values(name=name, folder=folder, seen_at=now))
    mine = (hosts.c.folder.in_((folder, ""))) | (hosts.c.seen_at < now - unresponsive_after)
    if tx.execute(
        update(hosts).where(hosts.c.name == name, mine).values(folder=folder, seen_at=now)
    ).rowcount:
        return
    raise BadSettings(
        f"Another data folder goes by the host name {name!r}. Give this one a name of its own with --host."
    )


def unresponsive(now: float, unresponsive_after: float) -> Select[Any]:
    """Names of hosts that nobody has heard of for so many seconds. One that was never seen is not silent."""
    return select(hosts.c.name).where(hosts.c.seen_at < now - unresponsive_after)
