"""`forgehand tasks`. It imports as little as possible, because people call it often and wait for it."""

import time
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import typer

from bot.app.cli.output import Row, show
from bot.app.settings.source import LedgerPlace, ledger_place
from bot.domain.errors import BotError, LedgerUnavailable
from bot.domain.lifecycle import ENDED, State
from bot.domain.thread import Kind, Thread
from bot.reports.command_syntax import reference
from bot.store import task_list as store
from bot.store.task_list import ListedTask, TaskFilter
from bot.text.units import ago, parse_duration

_COMPLETED = 200  # the newest tasks, of which a shell completes the ids


@dataclass(frozen=True, slots=True, kw_only=True)
class ListQuery:
    """The options of `forgehand tasks`; `since` is in seconds before now, 0 for all times."""

    states: Collection[State]
    repository: str
    person: str
    since: int
    limit: int


def seconds(since: str) -> int:
    """Return the value of `--since` in seconds; 0 if it is not given. Raises BadParameter."""
    try:
        return parse_duration(since) if since else 0
    except ValueError as error:
        raise typer.BadParameter(f"--since {error}") from None


def tasks(config: Path | None, query: ListQuery, *, as_json: bool) -> None:
    """Print the tasks, newest first. Raises NoLedger."""
    now = time.time()
    wanted = TaskFilter(
        states=query.states,
        repository=query.repository,
        person=query.person,
        since=now - query.since if query.since else 0.0,
    )
    where = ledger_place(config)
    if as_json:
        rows = _for_scripts(where, query.limit, wanted)
    else:
        rows = [_brief(task, now) for task in _found(where, query.limit, wanted)]
    show(rows, as_json=as_json, none="No task matches." if wanted != TaskFilter() else "No tasks yet.")


def ids_beginning_with(begin: str) -> list[str]:
    """Return ids of new tasks for the completion of a shell; none if the ledger cannot be read."""
    with suppress(BotError, LedgerUnavailable):
        found = _found(ledger_place(), _COMPLETED, TaskFilter())
        return [task.id for task in found if task.id.startswith(begin)]
    return []


def _found(where: LedgerPlace, limit: int, wanted: TaskFilter) -> list[ListedTask]:
    """Read a SQLite ledger without SQLAlchemy if that is possible. Raises NoLedger."""
    found = store.from_file(where.file, limit, wanted) if where.file else None
    return _slowly(where, limit, wanted) if found is None else found


def _slowly(where: LedgerPlace, limit: int, wanted: TaskFilter) -> list[ListedTask]:
    from bot.app.cli.ledger_access import existing_ledger

    with existing_ledger(where) as ledger, ledger.read() as tx:
        return store.matching(store.execute_in(tx), limit, wanted)


def _for_scripts(where: LedgerPlace, limit: int, wanted: TaskFilter) -> list[Row]:
    from bot.app.cli.ledger_access import existing_ledger
    from bot.app.cli.tasks import row_of
    from bot.store import runs
    from bot.store import tasks as task_rows

    with existing_ledger(where) as ledger, ledger.read() as tx:
        found = store.matching(store.execute_in(tx), limit, wanted)
        return [row_of(tx, task_rows.get(tx, task.id), runs.newest(tx, task.id)) for task in found]


def _brief(task: ListedTask, now: float) -> Row:
    thread = Thread(
        forge=task.forge,
        repository_id=0,
        repository_url=task.repository_url,
        path=task.path,
        kind=Kind(task.kind),
        number=task.number,
    )
    return {
        "task": task.id,
        "state": condition(task.state, task.outcome),
        "thread": place(thread),
        "title": task.title,
        "asked": ago(now - task.created_at),
    }


def condition(state: str, outcome: str | None) -> str:
    """Return the outcome of a task for a table; the state of a task that has not ended."""
    return str(outcome if state in ENDED and outcome is not None else state).replace("_", " ")


def place(thread: Thread) -> str:
    """Return the short name of the thread, such as acme/anvil#14; without a forge, that of the repository."""
    if thread.forge:
        return f"{thread.path}{reference(thread)}"
    return "/".join(thread.repository_url.partition("://")[2].rsplit("/", 2)[-2:])
