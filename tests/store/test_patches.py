"""Patches: one for each run, and the newest one of a task."""

from bot.store import patches
from bot.store.ledger import Ledger
from bot.store.patches import Patch
from tests.support.rows import add_run, add_task


def test_a_task_without_a_stored_patch_has_none(ledger: Ledger) -> None:
    with ledger.write() as tx:
        run = add_run(tx)

        assert patches.newest(tx, run.task) is None
        assert not patches.exists(tx, run.task)


def test_the_newest_patch_is_that_of_the_last_run_with_one(ledger: Ledger) -> None:
    with ledger.write() as tx:
        task, other = add_task(tx), add_task(tx)
        first, second, _third = (add_run(tx, task) for _ in range(3))
        patches.add(tx, second.id, b"two\n\xff", 5)
        patches.add(tx, first.id, b"one", 900)
        patches.add(tx, add_run(tx, other).id, b"", 0)

        assert patches.newest(tx, task.id) == Patch(2, b"two\n\xff", 5)
        assert patches.newest(tx, other.id) == Patch(1, b"", 0)
        assert patches.exists(tx, task.id)


def test_a_stored_patch_is_not_overwritten(ledger: Ledger) -> None:
    with ledger.write() as tx:
        run = add_run(tx)
        patches.add(tx, run.id, b"one", 3)
        patches.add(tx, run.id, b"two", 3)

        assert patches.newest(tx, run.task) == Patch(1, b"one", 3)


def test_a_patch_has_a_mark_if_it_is_incomplete() -> None:
    assert Patch(1, b"", 0).is_whole
    assert Patch(1, b"one", 3).is_whole
    assert not Patch(1, b"one", 900).is_whole
