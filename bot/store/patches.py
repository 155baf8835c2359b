"""Patches: all changes of a run since the commit at which its task began."""

from dataclasses import dataclass

from sqlalchemy import Connection, select

from bot.store.ledger import insert_new
from bot.store.schema import patches, runs


@dataclass(frozen=True, slots=True)
class Patch:
    """The patch of a run. `text` begins with git's count of files and lines; b"" = no changes."""

    number: int  # of the run
    text: bytes  # only the first lines if the patch is long
    size: int  # bytes of git's output, as far as they were read
    commits: int = 0  # of the task, since the commit at which it began

    @property
    def is_whole(self) -> bool:
        """Report whether `text` is the whole patch."""
        return len(self.text) >= self.size


def add(tx: Connection, run_id: str, text: bytes, size: int, *, commits: int = 0) -> None:
    """Store the patch of a run. A second call for the same run does nothing."""
    tx.execute(insert_new(tx, patches).values(run=run_id, text=text, size=size, commits=commits))


def newest(tx: Connection, task_id: str) -> Patch | None:
    """Return the patch of the task's last run that has one."""
    row = tx.execute(
        select(runs.c.number, patches.c.text, patches.c.size, patches.c.commits)
        .join_from(patches, runs, patches.c.run == runs.c.id)
        .where(runs.c.task == task_id)
        .order_by(runs.c.number.desc())
        .limit(1)
    ).one_or_none()
    return None if row is None else Patch(*row)


def exists(tx: Connection, task_id: str) -> bool:
    """Report whether any run of the task has a patch."""
    query = select(patches.c.run).join_from(patches, runs, patches.c.run == runs.c.id)
    return tx.execute(query.where(runs.c.task == task_id).limit(1)).first() is not None
