"""The list of tasks, by one statement of SQL that both databases know.

A command that only lists tasks spends most of its time on imports. So a SQLite ledger is read here with
Python's own driver, which is ten times faster to import than SQLAlchemy.
"""

import sqlite3
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote

from bot.store.migrations import NEWEST

if TYPE_CHECKING:
    from sqlalchemy import Connection

Execute = Callable[[str, Mapping[str, object]], Sequence[Sequence[Any]]]  # SQL and parameters to rows


class ListedTask(NamedTuple):
    """A task with the outcome of its newest run, as in the tables `tasks`, `threads` and `runs`."""

    id: str
    state: str
    created_at: float  # seconds since the epoch
    forge: str  # "" for a task of `forgehand run`
    repository_url: str
    path: str
    kind: str
    number: int
    title: str
    outcome: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskFilter:
    """Conditions that a listed task meets, all of them; an empty one means every task."""

    states: Collection[str] = ()
    repository: str = ""  # owner/name, the URL, or the end of the URL
    person: str = ""  # login of somebody who asked for a run of the task
    since: float = 0.0  # created then or later; seconds since the epoch


_QUERY = """
SELECT tasks.id, tasks.state, tasks.created_at, threads.forge, threads.repository_url, threads.path,
       threads.kind, threads.number, threads.title, runs.outcome
FROM tasks
JOIN threads ON threads.key = tasks.thread_key
JOIN runs ON runs.task = tasks.id
WHERE runs.number = (SELECT max(every.number) FROM runs AS every WHERE every.task = tasks.id)
  AND tasks.created_at >= :since {conditions}
ORDER BY tasks.created_at DESC LIMIT :limit
"""
_OF_REPOSITORY = """AND (lower(threads.path) = :repository OR lower(threads.repository_url) = :repository
  OR lower(threads.repository_url) LIKE :end ESCAPE '!')"""
_OF_PERSON = """AND EXISTS (SELECT 1 FROM runs AS every WHERE every.task = tasks.id
  AND lower(every.asked_by_login) = :person)"""


def matching(execute: Execute, limit: int, condition: TaskFilter) -> list[ListedTask]:
    """Return up to `limit` tasks that meet the condition, newest first."""
    values: dict[str, object] = {"since": condition.since, "limit": limit}
    conditions = []
    if condition.states:
        states = {f"state{number}": str(state) for number, state in enumerate(condition.states)}
        conditions.append(f"AND tasks.state IN ({', '.join(f':{name}' for name in states)})")
        values |= states
    if name := condition.repository.lower().strip("/"):
        escaped = name.replace("!", "!!").replace("%", "!%").replace("_", "!_")
        conditions.append(_OF_REPOSITORY)
        values |= {"repository": name, "end": f"%/{escaped}"}
    if condition.person:
        conditions.append(_OF_PERSON)
        values["person"] = condition.person.lower()
    rows = execute(_QUERY.format(conditions=" ".join(conditions)), values)
    return [ListedTask(*row) for row in rows]


def execute_in(tx: "Connection") -> Execute:
    """Return a function that executes SQL in a transaction of SQLAlchemy's."""
    from sqlalchemy import text

    return lambda sql, values: tx.execute(text(sql), dict(values)).all()


def from_file(path: Path, limit: int, condition: TaskFilter) -> list[ListedTask] | None:
    """Read a SQLite ledger, which is opened for reading only.

    Return None if the file is not a ledger of this version, or cannot be read: `open_ledger` tells why.
    """
    try:
        with closing(sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True)) as connection:
            if connection.execute("SELECT version_num FROM alembic_version").fetchall() != [(NEWEST,)]:
                return None
            return matching(partial(_execute, connection), limit, condition)
    except sqlite3.Error:
        return None


def _execute(connection: sqlite3.Connection, sql: str, values: Mapping[str, object]) -> list[Sequence[Any]]:
    return connection.execute(sql, dict(values)).fetchall()
