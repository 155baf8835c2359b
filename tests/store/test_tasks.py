"""Tasks: requests that move only between the states of lifecycle.py's table."""

import pytest
from sqlalchemy import update
from sqlalchemy.exc import IntegrityError

from bot.domain.errors import NotPossible
from bot.domain.lifecycle import State
from bot.store import tasks
from bot.store.ledger import Ledger
from bot.store.schema import tasks as table
from tests.support.rows import a_thread, add_task


def test_a_new_task_has_nothing_checked_or_pushed(ledger: Ledger) -> None:
    with ledger.write() as tx:
        task = add_task(tx)

    assert task.state is State.QUEUED
    assert (task.checked_head, task.pushed_head, task.change_number) == ("", "", None)
    assert task.created_at > 1_000_000_000


def test_a_second_task_with_the_same_id_is_refused(ledger: Ledger) -> None:
    with ledger.write() as tx:
        task = add_task(tx)

    with pytest.raises(IntegrityError), ledger.write() as tx:
        tasks.add(tx, task)


def test_a_missing_task_is_reported_with_its_id(ledger: Ledger) -> None:
    with ledger.read() as tx, pytest.raises(NotPossible, match="no task `t0`"):
        tasks.get(tx, "t0")


def test_a_task_changes_its_state_only_as_the_table_permits(ledger: Ledger) -> None:
    with ledger.write() as tx:
        task = add_task(tx)
        with pytest.raises(NotPossible, match="is queued; it cannot become succeeded"):
            tasks.change_state(tx, task.id, State.SUCCEEDED)
        for state in (State.RUNNING, State.FAILED, State.QUEUED, State.CANCELLED):
            tasks.change_state(tx, task.id, state)

            assert tasks.get(tx, task.id).state is state


def test_columns_of_a_task_are_written(ledger: Ledger) -> None:
    with ledger.write() as tx:
        task, other = add_task(tx), add_task(tx)
        tasks.write(tx, task.id, pushed_head="a" * 40, change_number=7, change_url="https://x/7")
        settled = tasks.get(tx, task.id)

        assert (settled.pushed_head, settled.change_number, settled.change_url) == (
            "a" * 40,
            7,
            "https://x/7",
        )
        assert tasks.get(tx, other.id) == other


def test_the_tasks_of_a_thread_are_listed_newest_first(ledger: Ledger) -> None:
    thread = a_thread()
    made = []
    for second, each in enumerate((thread, None, thread, thread)):
        with ledger.write() as tx:
            made.append(add_task(tx, each).id)
            # Two commits can share one tick of the ledger's clock.
            tx.execute(update(table).where(table.c.id == made[-1]).values(created_at=second))

    with ledger.read() as tx:
        assert [task.id for task in tasks.of_thread(tx, thread.key)] == [made[3], made[2], made[0]]
        assert [task.id for task in tasks.of_thread(tx, thread.key, limit=1)] == [made[3]]
        assert [task.id for task in tasks.newest(tx, 2)] == [made[3], made[2]]


def test_tasks_are_counted_and_listed_by_state(ledger: Ledger) -> None:
    with ledger.write() as tx:
        running = add_task(tx)
        add_task(tx)
        tasks.change_state(tx, running.id, State.RUNNING)

        assert tasks.count_by_state(tx) == {"queued": 1, "running": 1}
        assert [task.id for task in tasks.newest(tx, 9, State.RUNNING)] == [running.id]
