"""The list of tasks, on both databases, and from a SQLite file without SQLAlchemy."""

import sqlite3
from pathlib import Path

import pytest

from bot.domain.lifecycle import State
from bot.store import task_list, tasks
from bot.store.ledger import Ledger, open_ledger
from bot.store.task_list import ListedTask, TaskFilter
from tests.support.rows import a_thread, add_run, add_task

# The task that a filter finds, by its repository.
FILTERS = {
    "r1": TaskFilter(states=[State.FAILED]),
    "r2": TaskFilter(repository="ACME/r2"),
    "r_3": TaskFilter(repository="https://github.com/acme/r_3/"),
    "r2 ": TaskFilter(repository="r2"),
}


def _filled(ledger: Ledger) -> None:
    with ledger.write() as tx:
        for at, name in enumerate(("r1", "r2", "r_3", "rx3")):
            task = add_task(tx, a_thread(repository=at + 1, name=name))
            add_run(tx, task)
            tasks.write(tx, task.id, created_at=1000 + at, state=State.QUEUED if at else State.FAILED)


def _found(ledger: Ledger, condition: TaskFilter, limit: int = 20) -> list[ListedTask]:
    with ledger.read() as tx:
        return task_list.matching(task_list.execute_in(tx), limit, condition)


def test_tasks_are_listed_newest_first_with_the_outcome_of_the_newest_run(ledger: Ledger) -> None:
    _filled(ledger)

    found = _found(ledger, TaskFilter(), limit=3)

    assert [task.path for task in found] == ["acme/rx3", "acme/r_3", "acme/r2"]
    assert {task.outcome for task in found} == {None}


@pytest.mark.parametrize("name", FILTERS)
def test_a_filter_finds_only_what_meets_it(ledger: Ledger, name: str) -> None:
    _filled(ledger)

    assert [task.path for task in _found(ledger, FILTERS[name])] == [f"acme/{name.strip()}"]


def test_a_person_finds_tasks_of_which_they_asked_for_any_run(ledger: Ledger) -> None:
    _filled(ledger)

    assert len(_found(ledger, TaskFilter(person="Ann"))) == 4
    assert _found(ledger, TaskFilter(person="an")) == []


def test_only_tasks_since_a_time_are_listed(ledger: Ledger) -> None:
    _filled(ledger)
    last = _found(ledger, TaskFilter())[0]

    assert _found(ledger, TaskFilter(since=last.created_at))[0] == last
    assert _found(ledger, TaskFilter(since=last.created_at + 1)) == []


@pytest.mark.parametrize("condition", [TaskFilter(), *FILTERS.values()], ids=str)
def test_a_file_is_read_as_the_ledger_is(tmp_path: Path, condition: TaskFilter) -> None:
    file = tmp_path / "a ledger?.sqlite3"
    ledger = open_ledger(f"sqlite:///{str(file).replace('?', '%3F')}")
    _filled(ledger)
    expected = _found(ledger, condition)
    ledger.close()

    assert task_list.from_file(file, 20, condition) == expected != []


def test_a_file_that_is_missing_or_not_a_ledger_of_this_version_is_left_to_others(tmp_path: Path) -> None:
    missing, damaged, old = (tmp_path / name for name in ("missing", "damaged", "old"))
    damaged.write_text("not a database, but long enough to be looked at" * 100)
    with sqlite3.connect(old) as connection:
        connection.execute("CREATE TABLE alembic_version (version_num TEXT)")
        connection.execute("INSERT INTO alembic_version VALUES ('0001')")

    assert [task_list.from_file(file, 20, TaskFilter()) for file in (missing, damaged, old)] == [None] * 3
    assert not missing.exists()
