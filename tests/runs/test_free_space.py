"""Free space for a run: the most expendable workspaces are removed, and no work is lost."""

import os
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from bot.domain.errors import DiskFull
from bot.domain.lifecycle import State
from bot.domain.outcomes import Outcome
from bot.domain.task import Run
from bot.runs.execute import execute
from bot.runs.free_space import free_disk_space
from bot.runs.janitor import Janitor
from bot.runs.leased_run import Stopped, take_up
from bot.store import removals, workspaces
from bot.store.ledger import clock
from bot.store.removals import Key
from tests.runs.past_runs import damaged, ended, unexported
from tests.support.cli_sandbox import LONG
from tests.support.inodes import needs_root, with_inodes
from tests.support.rows import all_are_dead
from tests.support.worker_bench import Workshop, in_a_workshop, until

SPARE = 64 << 20  # bytes: other processes on this machine write and remove files, too
BIG = 192 << 20
FAILED = Outcome.AGENT_FAILED


def _have_workspaces(shop: Workshop, *runs: Run) -> list[bool]:
    """Return for each run whether it still has a workspace."""
    with shop.runtime.ledger.read() as tx:
        there = {kept.task for kept in workspaces.present(tx, shop.runtime.worker.host)}
    return [run.task in there for run in runs]


def _fill(shop: Workshop, run: Run) -> None:
    """Let the run's workspace take a good part of the disk."""
    with (shop.runtime.data.workspace(run.task) / "repo" / "big").open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, BIG)


def test_succeeded_workspaces_are_expendable_before_failed_ones_and_older_before_newer(
    shop: Workshop,
) -> None:
    failed, pushed, nothing = ended(shop, FAILED), ended(shop, Outcome.PUSHED), ended(shop)
    waiting = shop.claimed()
    with shop.runtime.ledger.write() as tx:
        workspaces.mark_in_use(tx, waiting.task, shop.runtime.worker.host)

        assert workspaces.expendable(tx, shop.runtime.worker.host) == [pushed.task, nothing.task, failed.task]


def test_no_more_workspaces_are_removed_than_needed(shop: Workshop) -> None:
    failed, done, later = ended(shop, FAILED), ended(shop, Outcome.PUSHED), ended(shop, Outcome.PUSHED)
    _fill(shop, done)
    floor = shutil.disk_usage(shop.runtime.data.root).free + SPARE
    run = shop.claimed()

    free_disk_space(take_up(replace(shop.runtime, free_space=floor), run, threading.Event()))

    assert _have_workspaces(shop, done, later, failed) == [False, True, True]


def test_unexported_work_is_exported_before_its_workspace_is_removed(shop: Workshop) -> None:
    rescued, stuck = unexported(shop, "one"), damaged(shop)
    run = shop.claimed()

    execute(replace(shop.runtime, free_space=1 << 60), run, threading.Event())

    assert shop.now(run).outcome is Outcome.DISK_FULL
    assert "are free for workspaces, less than" in shop.now(run).reason
    assert _have_workspaces(shop, rescued, stuck) == [False, True]
    assert shop.saved(rescued, "wip", "one") == "1\n"


def test_with_enough_free_space_no_workspace_is_removed_early(shop: Workshop) -> None:
    done = ended(shop, Outcome.PUSHED)
    with shop.runtime.ledger.read() as tx:
        kept = workspaces.get(tx, done.task)
        assert kept is not None
        assert kept.keep_until is not None
        assert kept.keep_until > clock(tx)

    free_disk_space(take_up(shop.runtime, shop.claimed(), threading.Event()))

    assert _have_workspaces(shop, done) == [True]


def test_a_removal_that_hangs_or_killed_the_bot_before_is_skipped(shop: Workshop, hanging_tools: str) -> None:
    deadly, hang, small = ended(shop), unexported(shop, "hang-export"), ended(shop, FAILED)
    run = shop.claimed()
    with shop.runtime.ledger.write() as tx:
        removals.begin(tx, Key(shop.runtime.worker.host, deadly.task, "h1/dead"), deadly.task)
        removals.count_deaths(tx, shop.runtime.worker.host, all_are_dead)

    runtime = replace(shop.runtime, tools_image=hanging_tools, free_space=1 << 60)
    with pytest.raises(DiskFull, match="are free for workspaces"):
        free_disk_space(take_up(runtime, run, threading.Event()), seconds=2.0)

    assert _have_workspaces(shop, deadly, hang, small) == [True, True, False]
    assert shop.containers() == []


def test_a_hanging_removal_by_the_janitor_does_not_delay_other_removals(
    shop: Workshop, hanging_tools: str
) -> None:
    hang, other = unexported(shop, "hang-export"), ended(shop, FAILED)
    run = shop.claimed()
    with shop.runtime.ledger.write() as tx:
        workspaces.retain(tx, hang.task, 1.0)
    runtime = replace(shop.runtime, tools_image=hanging_tools)
    janitor = Janitor(runtime)
    janitor.once()
    until(lambda: any("rescue" in name for name in shop.containers()))
    stopping = threading.Event()
    leased = take_up(replace(runtime, free_space=1 << 60), run, stopping)

    with ThreadPoolExecutor(1) as pool:
        freeing = pool.submit(free_disk_space, leased)
        until(lambda: _have_workspaces(shop, hang, other) == [True, False])
        stopping.set()
        with pytest.raises(Stopped):
            freeing.result(LONG)

    janitor.stopping.set()
    janitor.finish(LONG)


def test_a_stop_ends_a_removal_that_hangs(shop: Workshop, hanging_tools: str) -> None:
    hang, run = unexported(shop, "hang-export"), shop.claimed()
    stopping = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        runtime = replace(shop.runtime, tools_image=hanging_tools, free_space=1 << 60)
        done = pool.submit(execute, runtime, run, stopping)
        until(lambda: any("rescue" in name for name in shop.containers()))
        stopping.set()
        done.result(LONG)

    assert (shop.now(run).state, _have_workspaces(shop, hang)) == (State.RUNNING, [True])
    with shop.runtime.ledger.read() as tx:
        [row] = removals.of_host(tx, shop.runtime.worker.host).values()
    assert (row.holder, row.deaths) == ("", 0)


@needs_root
@pytest.mark.waits
def test_workspaces_are_also_removed_if_the_disk_can_take_too_few_files(tmp_path: Path) -> None:
    with with_inodes(tmp_path / "forgehand-data", 6_000) as data, in_a_workshop(tmp_path) as shop:
        done = ended(shop, Outcome.PUSHED, *map(str, range(3000)))
        for number in range(_inodes(data) - 500):
            (data / f"of-others-{number}").touch()
        run = shop.claimed()

        execute(shop.agent("true"), run, threading.Event())

        assert shop.now(run).outcome is Outcome.NO_CHANGES
        assert _have_workspaces(shop, done, run) == [False, True]


@needs_root
@pytest.mark.waits
def test_a_run_does_not_begin_on_a_disk_that_can_take_no_more_files(tmp_path: Path) -> None:
    with with_inodes(tmp_path / "forgehand-data", 1_200) as data, in_a_workshop(tmp_path) as shop:
        for number in range(_inodes(data) - 100):
            (data / f"of-others-{number}").touch()
        run = shop.claimed()

        execute(shop.agent("true"), run, threading.Event())

        assert shop.now(run).outcome is Outcome.DISK_FULL
        assert shop.now(run).reason.startswith("The disk of the workspaces can take no more files.")


def _inodes(folder: Path) -> int:
    """Return how many more files the disk can take."""
    return os.statvfs(folder).f_favail
