"""Attempts to export or remove the folder of a workspace, recorded before they begin.

An attempt that is still open when its process is dead counts as a death. After
MOST_DEATHS deaths the folder is stuck: only an operator's command tries again.
"""

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Connection, Update, delete, func, select, update

from bot.store.leases import TAKEOVERS
from bot.store.ledger import clock, insert_new
from bot.store.schema import removals

MOST_DEATHS = TAKEOVERS


@dataclass(frozen=True, slots=True)
class Removal:
    """A folder's row. `due_at` is in seconds since the epoch; `holder` is "" if no attempt is open."""

    host: str
    folder: str
    task: str
    holder: str
    deaths: int
    overruns: int  # attempts in a row that were ended by their time limit
    due_at: float

    @property
    def is_stuck(self) -> bool:
        return self.deaths >= MOST_DEATHS


@dataclass(frozen=True, slots=True)
class Key:
    """The key of an attempt: host, folder and the process at work."""

    host: str
    folder: str
    holder: str


def begin(tx: Connection, key: Key, task_id: str, *, by_hand: bool = False) -> bool:
    """Record that an attempt begins; the caller holds the folder's lock. `by_hand`: also if it is stuck.

    Return False if the folder is stuck. Call `count_deaths` first, in the same transaction.
    """
    row = {"host": key.host, "folder": key.folder, "task": task_id, "holder": key.holder}
    if tx.execute(insert_new(tx, removals).values(row)).rowcount == 1:
        return True
    mine = update(removals).where(removals.c.host == key.host, removals.c.folder == key.folder)
    if not by_hand:
        mine = mine.where(removals.c.deaths < MOST_DEATHS)
    return tx.execute(mine.values(holder=key.holder)).rowcount == 1


def succeeded(tx: Connection, key: Key) -> None:
    """Close an attempt that succeeded: its row is deleted."""
    tx.execute(
        delete(removals).where(
            removals.c.host == key.host, removals.c.folder == key.folder, removals.c.holder == key.holder
        )
    )


def failed(tx: Connection, key: Key, pause: float) -> None:
    """Close an attempt that ended in an error: the folder is due again after `pause` seconds."""
    tx.execute(_open(key).values(holder="", deaths=0, due_at=clock(tx) + pause))


def postponed(tx: Connection, key: Key, pause: float) -> None:
    """Close an attempt that could not start its work; the folder is due again after `pause` seconds.

    Deaths of earlier attempts stay.
    """
    tx.execute(_open(key).values(holder="", due_at=clock(tx) + pause))


def overran(tx: Connection, key: Key, pause: float) -> None:
    """Close an attempt that reached its time limit: the folder is due again after `pause` seconds.

    Deaths of earlier attempts stay, because this attempt did not finish.
    """
    tx.execute(_open(key).values(holder="", overruns=removals.c.overruns + 1, due_at=clock(tx) + pause))


def interrupted(tx: Connection, key: Key) -> None:
    """Close an attempt that was interrupted by request. Deaths of earlier attempts stay."""
    tx.execute(_open(key).values(holder=""))


def release_all(tx: Connection, host: str, holder: str) -> None:
    """Close all attempts of a process that is shutting down."""
    tx.execute(update(removals).where(removals.c.host == host, removals.c.holder == holder).values(holder=""))


def count_deaths(tx: Connection, host: str, is_dead: Callable[[str], bool]) -> list[Removal]:
    """Close the attempts of dead processes and count a death for each; return the newly stuck folders.

    `is_dead` tells whether a holder's lock on this host is free.
    """
    stuck = []
    for row in of_host(tx, host).values():
        if row.holder and is_dead(row.holder):
            counted = _open(Key(host, row.folder, row.holder)).values(holder="", deaths=removals.c.deaths + 1)
            if tx.execute(counted).rowcount == 1 and row.deaths + 1 == MOST_DEATHS:
                stuck.append(row)
    return stuck


def of_host(tx: Connection, host: str) -> dict[str, Removal]:
    """Return the rows of this host by folder."""
    rows = tx.execute(select(removals).where(removals.c.host == host).order_by(removals.c.folder))
    return {row.folder: Removal(*row) for row in rows}


def stuck_of_task(tx: Connection, task_id: str) -> list[Removal]:
    """Return the stuck folders of a task on all hosts."""
    rows = tx.execute(
        select(removals)
        .where(removals.c.task == task_id, removals.c.deaths >= MOST_DEATHS)
        .order_by(removals.c.host, removals.c.folder)
    )
    return [Removal(*row) for row in rows]


def count_stuck(tx: Connection) -> int:
    """Count the stuck folders of all hosts."""
    stuck = select(func.count()).select_from(removals).where(removals.c.deaths >= MOST_DEATHS)
    return int(tx.execute(stuck).scalar_one())


def forget(tx: Connection, host: str, folder: str) -> None:
    """Delete the row of a folder that no longer exists or has new content, unless an attempt is open."""
    tx.execute(
        delete(removals).where(removals.c.host == host, removals.c.folder == folder, removals.c.holder == "")
    )


def _open(key: Key) -> Update:
    return update(removals).where(
        removals.c.host == key.host, removals.c.folder == key.folder, removals.c.holder == key.holder
    )
