"""The janitor removes leftovers. It retains everything that a run needs, and unexported work."""

import os
import threading
import time

import structlog

from bot.runs.janitor import GRACE, LEFTOVER_AGE, Janitor
from bot.sandbox import container_names
from bot.sandbox.engine.containers import ContainerSpec
from bot.store import workspaces
from bot.store.process_locks import try_lock
from tests.runs.janitor_runs import end_pause, end_retention, folders, run_janitor
from tests.runs.past_runs import damaged, ended, unexported
from tests.support.cli_sandbox import LONG
from tests.support.worker_bench import FOREVER, Workshop, until


def _start(shop: Workshop, name: str, **labels: str) -> None:
    """Start a container of the bot, as if by a worker that died."""
    shop.runtime.engine.start(
        ContainerSpec(
            name=name,
            image=shop.runtime.image,
            argv=["sleep", "300"],
            env={},
            mounts=[],
            limits=shop.runtime.limits.container,
            labels={f"forgehand.{key}": value for key, value in labels.items()},
            log_bytes=1 << 20,
        )
    )


def test_only_workspaces_past_their_retention_are_removed(shop: Workshop) -> None:
    over, kept = ended(shop), ended(shop)
    end_retention(shop, over)

    run_janitor(shop)

    assert folders(shop) == {kept.task}
    assert shop.runtime.quarantine(over.task).exists()


def test_the_janitor_exports_unexported_work_before_it_removes_a_workspace(shop: Workshop) -> None:
    run = unexported(shop, "two")
    end_retention(shop, run)

    run_janitor(shop)

    assert folders(shop) == set()
    assert shop.saved(run, "wip", "two") == "1\n"


def test_work_that_cannot_be_exported_is_retained_for_a_day_and_the_log_has_the_reason(
    shop: Workshop,
) -> None:
    run = damaged(shop)
    end_retention(shop, run)

    with structlog.testing.capture_logs() as first:
        run_janitor(shop)
    stayed = folders(shop)
    end_retention(shop, run, since=GRACE + 1)
    end_pause(shop)
    with structlog.testing.capture_logs() as second:
        run_janitor(shop)

    assert (stayed, folders(shop)) == ({run.task}, set())
    logged = [(each["event"], "its .git is damaged" in each.get("reason", "")) for each in [*first, *second]]
    assert logged == [
        ("work not exported, workspace retained for a day", True),
        ("workspace removed, unexported work lost", True),
        ("workspace removed", False),
    ]


def test_a_janitor_does_not_remove_a_folder_that_another_one_is_removing(shop: Workshop) -> None:
    run, other = ended(shop), ended(shop)
    end_retention(shop, run)
    end_retention(shop, other)
    locks = shop.runtime.data.removals
    locks.mkdir()

    with try_lock(locks / run.task, patience=0):
        run_janitor(shop)
        assert folders(shop) == {run.task}

    run_janitor(shop)
    assert folders(shop) == set()
    assert list(locks.iterdir()) == []


def test_an_interrupted_removal_is_continued_by_the_next_janitor(shop: Workshop) -> None:
    run = ended(shop)
    shop.runtime.workspaces().set_aside(run.task)

    run_janitor(shop)

    assert list(shop.runtime.data.workspaces.iterdir()) == []
    with shop.runtime.ledger.read() as tx:
        assert workspaces.present(tx, shop.runtime.worker.host) == []


def test_locks_of_killed_processes_are_removed_and_those_that_are_held_are_not(shop: Workshop) -> None:
    present = shop.done("true").task
    data = shop.runtime.data
    data.removals.mkdir(exist_ok=True)
    for name in ("gone", "gone.gone-1", present):
        data.removal(name).touch()

    with try_lock(data.removal("held"), patience=0):
        run_janitor(shop)
        assert {lock.name for lock in data.removals.iterdir()} == {"held", present}


def test_a_folder_that_the_ledger_does_not_know_is_removed_after_a_day(shop: Workshop) -> None:
    kept = ended(shop)
    for name, age in (("old", LEFTOVER_AGE + 60), ("young", 60)):
        folder = shop.runtime.data.workspace(name)
        (folder / "repo").mkdir(parents=True)
        os.utime(folder, (time.time() - age,) * 2)

    run_janitor(shop)

    assert folders(shop) == {kept.task, "young"}


def test_no_workspace_is_recorded_as_removed_if_the_folder_of_workspaces_is_missing(shop: Workshop) -> None:
    run = ended(shop)
    shop.runtime.data.workspaces.rename(shop.runtime.data.root / "elsewhere")

    run_janitor(shop)

    with shop.runtime.ledger.read() as tx:
        assert [kept.task for kept in workspaces.present(tx, shop.runtime.worker.host)] == [run.task]


def test_the_files_of_a_dead_process_are_removed(shop: Workshop) -> None:
    data = shop.runtime.data
    lock, draft = data.workers / ("0" * 32), data.root / f"id.{'0' * 32}"
    for path in (lock, draft):
        path.touch()
        os.utime(path, (1, 1))

    janitor = Janitor(shop.runtime, look_every=0)
    janitor.once()
    assert janitor.wait(LONG)

    assert not lock.exists()
    assert not draft.exists()


def test_the_container_in_which_a_dead_process_looked_into_an_image_is_removed(shop: Workshop) -> None:
    ours = container_names.image_check(shop.runtime.worker.holder.rpartition("/")[2])
    dead = container_names.image_check("0" * 32)
    _start(shop, dead)
    _start(shop, ours)

    janitor = Janitor(shop.runtime, look_every=0, orphaned=0)
    janitor.once()
    assert janitor.wait(LONG)

    assert shop.containers() == [ours]


def test_orphaned_containers_are_removed_and_those_of_a_running_run_are_not(shop: Workshop) -> None:
    over = ended(shop)
    run = shop.claimed()
    janitor = Janitor(shop.runtime, look_every=0, orphaned=0.2)

    with shop.busy(shop.agent(FOREVER), run) as stopping:
        until(lambda: b"begun" in shop.printed(run))
        for name, of in (("forgehand-x-1", "x-1"), (f"forgehand-{over.id}", over.id)):
            _start(shop, name, run=of)
        stale, current = (f"forgehand-{run.id}-{epoch}-export" for epoch in (run.epoch - 1, run.epoch))
        for name in (stale, current, f"forgehand-{over.task}.gone-c0ffee00"):
            _start(shop, name)
        janitor.once()
        assert janitor.wait(LONG)
        before = len(shop.containers())
        threading.Event().wait(0.3)
        janitor.once()
        assert janitor.wait(LONG)
        left = set(shop.containers())
        stopping.set()

    assert before == 6
    assert left == {f"forgehand-{run.id}", current, f"forgehand-{over.task}.gone-c0ffee00"}
