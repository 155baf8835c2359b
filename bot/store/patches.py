"""Patches: what a run left, against the commit its task began at."""

from dataclasses import dataclass

from sqlalchemy import Connection, select

from bot.store.ledger import insert_new
from bot.store.schema import patches, runs


@dataclass(frozen=True, slots=True)
class Patch:
    """`number` is the run's. `text` begins with git's own count; "" where nothing was changed."""

    number: int
    text: bytes  # the first lines of a long one
    size: int  # bytes git printed, as far as they were read

    @property
    def is_whole(self) -> bool:
        return len(self.text) >= self.size


def add(tx: Connection, run_id: str, text: bytes, size: int) -> None:
    """Keep what this run left; a worker that comes to it again brings the same."""
    tx.execute(insert_new(tx, patches).values(run=run_id, text=text, size=size))


def newest(tx: Connection, task_id: str) -> Patch | None:
    """Of the last run that left one."""
    row = tx.execute(
        select(runs.c.number, patches.c.text, patches.c.size)
        .join_from(patches, runs, patches.c.run == runs.c.id)
        .where(runs.c.task == task_id)
        .order_by(runs.c.number.desc())
        .limit(1)
    ).one_or_none()
    return None if row is None else Patch(*row)


def exists(tx: Connection, task_id: str) -> bool:
    query = select(patches.c.run).join_from(patches, runs, patches.c.run == runs.c.id)
    return tx.execute(query.where(runs.c.task == task_id).limit(1)).first() is not None
