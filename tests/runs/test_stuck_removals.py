"""A removal that hangs, that fails, or during which the bot died delays no other removal."""

import os
import shutil
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace

import pytest
import structlog
from sqlalchemy import insert

from bot.domain.outcomes import Outcome
from bot.domain.task import Run
from bot.runs.janitor import Janitor
from bot.runs.removal_attempt import seconds_for
from bot.store import removals, schema, workspaces
from bot.store.removals import MOST_DEATHS, Key, Removal
from tests.runs.janitor_runs import end_pause, end_retention, folders, run_janitor
from tests.runs.past_runs import ended, unexported
from tests.support.cli_sandbox import LONG
from tests.support.rows import all_are_dead
from tests.support.worker_bench import Workshop, until


@pytest.fixture
def slow(shop: Workshop, hanging_tools: str) -> Workshop:
    """A workshop in which exports and removals hang if a workspace has a file with that name."""
    return replace(shop, runtime=replace(shop.runtime, tools_image=hanging_tools))


def _hang(shop: Workshop, number: int) -> list[Run]:
    """Make workspaces past their retention of which every export, or every other removal, hangs."""
    runs = []
    for each in range(number):
        if each % 2:
            runs.append(ended(shop, Outcome.NO_CHANGES, "hang-removal"))
        else:
            runs.append(unexported(shop, "hang-export"))
        end_retention(shop, runs[-1], since=100)
    return runs


def _removals(shop: Workshop) -> dict[str, Removal]:
    with shop.runtime.ledger.read() as tx:
        return removals.of_host(tx, shop.runtime.worker.host)


@contextmanager
def _repeated(janitor: Janitor) -> Iterator[None]:
    """Run the janitor again and again during the block, then stop it."""

    def look() -> None:
        while not janitor.stopping.wait(0.1):
            janitor.once()

    with ThreadPoolExecutor(1) as pool:
        looks = pool.submit(look)
        try:
            yield
        finally:
            janitor.stopping.set()
            looks.result(LONG)
            janitor.finish(LONG)


def test_four_removals_that_hang_do_not_delay_the_fifth(shop: Workshop, slow: Workshop) -> None:
    hang = _hang(shop, 4)
    fine = ended(shop)
    end_retention(shop, fine)

    with _repeated(Janitor(slow.runtime, first_limit=2.0)):
        until(lambda: fine.task not in folders(shop))
        assert _removals(shop)

    assert all(each.holder == "" and each.deaths == 0 for each in _removals(shop).values())
    assert {run.task for run in hang[::2]} <= folders(shop)


def test_a_removal_that_hangs_is_postponed_and_gets_more_time_later(shop: Workshop, slow: Workshop) -> None:
    [run] = _hang(shop, 1)
    janitor = Janitor(slow.runtime, first_limit=1.0)

    with structlog.testing.capture_logs() as logged:
        janitor.once()
        assert janitor.wait(LONG)

    [row] = _removals(shop).values()
    assert (row.folder, row.overruns, row.deaths, row.holder) == (run.task, 1, 0, "")
    assert [each["event"] for each in logged] == ["removal postponed"]
    assert seconds_for(row, 1.0) > seconds_for(None, 1.0)
    assert run.task in folders(shop)
    end_pause(shop)
    run_janitor(shop)
    assert folders(shop) == set()
    assert shop.saved(run, "wip", "hang-export") == "1\n"
    assert _removals(shop) == {}


@pytest.mark.parametrize(
    "number", [pytest.param(1, marks=pytest.mark.long, id="an export"), pytest.param(2, id="a removal")]
)
def test_a_stop_interrupts_a_removal_that_hangs_and_is_not_counted_as_a_death(
    shop: Workshop, slow: Workshop, number: int
) -> None:
    run = _hang(shop, number)[-1]
    janitor = Janitor(slow.runtime)
    janitor.once()
    until(lambda: any(each.holder and each.task == run.task for each in _removals(shop).values()))
    until(lambda: any("rescue" in name or "gone" in name for name in shop.containers()))

    begun = time.monotonic()
    janitor.stopping.set()
    janitor.finish(LONG)

    assert time.monotonic() - begun < 30
    assert all((each.holder, each.deaths) == ("", 0) for each in _removals(shop).values())
    until(lambda: shop.containers() == [])
    end_pause(shop)
    run_janitor(shop)
    assert run.task not in folders(shop)


def test_a_removal_that_cannot_be_interrupted_is_abandoned_and_is_not_counted_as_a_death(
    shop: Workshop, slow: Workshop
) -> None:
    _hang(shop, 1)
    janitor = Janitor(slow.runtime)  # no thread sets its event
    janitor.once()
    until(lambda: any("rescue" in name for name in shop.containers()))

    janitor.finish(0.1)

    assert [(each.holder, each.deaths) for each in _removals(shop).values()] == [("", 0)]
    janitor.stopping.set()
    assert janitor.wait(LONG)


def test_a_removal_during_which_the_bot_died_too_often_is_logged_once_and_not_repeated(
    shop: Workshop,
) -> None:
    run, aside = ended(shop), ended(shop)
    end_retention(shop, run)
    gone = shop.runtime.workspaces().set_aside(aside.task)
    with shop.runtime.ledger.write() as tx:
        workspaces.retain(tx, aside.task, 1.0)
        workspaces.claim_removal(tx, aside.task)
        for _ in range(MOST_DEATHS):
            removals.count_deaths(tx, shop.runtime.worker.host, all_are_dead)
            for folder, task in ((run.task, run.task), (gone, aside.task)):
                removals.begin(tx, Key(shop.runtime.worker.host, folder, "h1/dead"), task)

    with structlog.testing.capture_logs() as logged:
        for _ in range(2):
            run_janitor(shop)

    stuck = [each for each in logged if each["log_level"] == "error"]
    assert {each["folder"] for each in stuck} == {
        str(shop.runtime.data.workspace(folder)) for folder in (run.task, gone)
    }
    assert len(stuck) == 2
    assert {each["next"] for each in stuck} == {
        f"forgehand workspaces rm {task}" for task in (run.task, aside.task)
    }
    assert folders(shop) == {run.task}
    assert shop.runtime.workspaces().folders_set_aside() == {gone}


def test_a_folder_that_an_operator_removed_is_no_longer_stuck(shop: Workshop) -> None:
    run = ended(shop)
    end_retention(shop, run)
    with shop.runtime.ledger.write() as tx:
        tx.execute(
            insert(schema.removals).values(
                host=shop.runtime.worker.host, folder=run.task, task=run.task, deaths=MOST_DEATHS
            )
        )
    shutil.rmtree(shop.runtime.data.workspace(run.task))

    run_janitor(shop)

    assert _removals(shop) == {}


def test_a_folder_that_cannot_be_removed_does_not_delay_others(shop: Workshop) -> None:
    root = shop.runtime.data.workspaces
    run, before, over = ended(shop), ended(shop), ended(shop)
    end_retention(shop, over)
    (root / f"{run.task}.gone-1").symlink_to(root / before.task)  # rmtree refuses to remove a link
    for name in ("a file", "b.file", "Ünlike", "-x"):
        (root / name).touch()
    (root / "dangling").symlink_to("/nowhere")
    shop.runtime.workspaces().set_aside(before.task)
    os.symlink(root, root / "c.gone-2")

    run_janitor(shop)

    assert folders(shop) == {run.task}
    assert shop.runtime.workspaces().folders_set_aside() == {"c.gone-2"}
    assert (root / "a file").exists()
