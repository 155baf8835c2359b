"""Hosts and the time of their last sign of life. Tasks of an unresponsive host continue on another one."""

from typing import Any

from sqlalchemy import Connection, Select, select, update

from bot.domain.errors import BadSettings
from bot.store.ledger import clock, insert_new
from bot.store.schema import hosts

# Seconds. A failover loses unpushed work, so a machine is given the time to restart.
UNRESPONSIVE_AFTER = 300.0


def record_seen(tx: Connection, name: str, folder: str, unresponsive_after: float) -> None:
    """Record a sign of life of this host, and the id of its data folder.

    Raises BadSettings if another data folder has used the same name within `unresponsive_after` seconds.
    """
    now = clock(tx)
    tx.execute(insert_new(tx, hosts).values(name=name, folder=folder, seen_at=now))
    mine = (hosts.c.folder.in_((folder, ""))) | (hosts.c.seen_at < now - unresponsive_after)
    if tx.execute(
        update(hosts).where(hosts.c.name == name, mine).values(folder=folder, seen_at=now)
    ).rowcount:
        return
    raise BadSettings(
        f"Another data folder uses the host name {name!r}. Give this one another name with --host."
    )


def unresponsive(now: float, unresponsive_after: float) -> Select[Any]:
    """Select the names of hosts that were seen before, but not in the last `unresponsive_after` seconds."""
    return select(hosts.c.name).where(hosts.c.seen_at < now - unresponsive_after)
