"""The janitor removes leftovers. It retains everything that a run needs, and unexported work."""

import os
import shutil
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import structlog
from sqlalchemy import insert, update

from bot.domain.outcomes import Outcome
from bot.domain.task import Run
from bot.runs.janitor import GRACE, Janitor
from bot.runs.removal_attempt import seconds_for
from bot.sandbox.engine.containers import ContainerSpec
from bot.store import removals, schema, workspaces
from bot.store.ledger import clock
from bot.store.process_locks import try_lock
from bot.store.removals import MOST_DEATHS, Key, Removal
from tests.runs.past_runs import damaged, ended, unexported
from tests.support.cli_sandbox import LONG
from tests.support.rows import all_are_dead
from tests.support.worker_bench import FOREVER, Workshop, in_a_workshop, until


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Workshop]:
    with in_a_workshop(tmp_path) as shop:
        yield shop


def _end_retention(shop: Workshop, run: Run, *, since: float = 1.0) -> None:
    """Set the end of the retention of the run's workspace to this number of seconds ago."""
    with shop.runtime.ledger.write() as tx:
        workspaces.retain(tx, run.task, clock(tx) - since)


def _end_pause(shop: Workshop) -> None:
    """End the pause after a failed removal."""
    with shop.runtime.ledger.write() as tx:
        tx.execute(update(schema.removals).values(due_at=0))


def _run_janitor(shop: Workshop) -> None:
    """Run the janitor of another process of the bot once."""
    janitor = Janitor(shop.runtime)
    janitor.once()
    assert janitor.wait(LONG)


def _folders(shop: Workshop) -> set[str]:
    return set(shop.runtime.workspaces().folders())


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
    _end_retention(shop, over)

    _run_janitor(shop)

    assert _folders(shop) == {kept.task}
    assert shop.runtime.quarantine(over.task).exists()


def test_the_janitor_exports_unexported_work_before_it_removes_a_workspace(shop: Workshop) -> None:
    run = unexported(shop, "two")
    _end_retention(shop, run)

    _run_janitor(shop)

    assert _folders(shop) == set()
    assert shop.saved(run, "wip", "two") == "1\n"


def test_work_that_cannot_be_exported_is_retained_for_a_day_and_the_log_has_the_reason(
    shop: Workshop,
) -> None:
    run = damaged(shop)
    _end_retention(shop, run)

    with structlog.testing.capture_logs() as first:
        _run_janitor(shop)
    stayed = _folders(shop)
    _end_retention(shop, run, since=GRACE + 1)
    _end_pause(shop)
    with structlog.testing.capture_logs() as second:
        _run_janitor(shop)

    assert (stayed, _folders(shop)) == ({run.task}, set())
    logged = [(each["event"], "its .git is damaged" in each.get("reason", "")) for each in [*first, *second]]
    assert logged == [
        ("work not exported, workspace retained for a day", True),
        ("workspace removed, unexported work lost", True),
        ("workspace removed", False),
    ]


def test_a_janitor_does_not_remove_a_folder_that_another_one_is_removing(shop: Workshop) -> None:
    run, other = ended(shop), ended(shop)
    _end_retention(shop, run)
    _end_retention(shop, other)
    locks = shop.runtime.data.removals
    locks.mkdir()

    with try_lock(locks / run.task, patience=0):
        _run_janitor(shop)
        assert _folders(shop) == {run.task}

    _run_janitor(shop)
    assert _folders(shop) == set()
    assert list(locks.iterdir()) == []


def test_an_interrupted_removal_is_continued_by_the_next_janitor(shop: Workshop) -> None:
    run = ended(shop)
    shop.runtime.workspaces().set_aside(run.task)

    _run_janitor(shop)

    assert list(shop.runtime.data.workspaces.iterdir()) == []
    with shop.runtime.ledger.read() as tx:
        assert workspaces.present(tx, shop.runtime.worker.host) == []


def test_a_folder_that_the_ledger_does_not_know_is_removed_after_a_day(shop: Workshop) -> None:
    kept = ended(shop)
    for name, age in (("old", GRACE + 60), ("young", 60)):
        folder = shop.runtime.data.workspace(name)
        (folder / "repo").mkdir(parents=True)
        os.utime(folder, (time.time() - age,) * 2)

    _run_janitor(shop)

    assert _folders(shop) == {kept.task, "young"}


def test_no_workspace_is_recorded_as_removed_if_the_folder_of_workspaces_is_missing(shop: Workshop) -> None:
    run = ended(shop)
    shop.runtime.data.workspaces.rename(shop.runtime.data.root / "elsewhere")

    _run_janitor(shop)

    with shop.runtime.ledger.read() as tx:
        assert [kept.task for kept in workspaces.present(tx, shop.runtime.worker.host)] == [run.task]


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
        _end_retention(shop, runs[-1], since=100)
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
    _end_retention(shop, fine)

    with _repeated(Janitor(slow.runtime, first_limit=2.0)):
        until(lambda: fine.task not in _folders(shop))
        assert _removals(shop)

    assert all(each.holder == "" and each.deaths == 0 for each in _removals(shop).values())
    assert {run.task for run in hang[::2]} <= _folders(shop)


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
    assert run.task in _folders(shop)
    _end_pause(shop)
    _run_janitor(shop)
    assert _folders(shop) == set()
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
    _end_pause(shop)
    _run_janitor(shop)
    assert run.task not in _folders(shop)


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
    _end_retention(shop, run)
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
            _run_janitor(shop)

    stuck = [each for each in logged if each["log_level"] == "error"]
    assert {each["folder"] for each in stuck} == {
        str(shop.runtime.data.workspace(folder)) for folder in (run.task, gone)
    }
    assert len(stuck) == 2
    assert {each["next"] for each in stuck} == {
        f"forgehand workspaces rm {task}" for task in (run.task, aside.task)
    }
    assert _folders(shop) == {run.task}
    assert shop.runtime.workspaces().set_aside_before() == {gone}


def test_a_folder_that_an_operator_removed_is_no_longer_stuck(shop: Workshop) -> None:
    run = ended(shop)
    _end_retention(shop, run)
    with shop.runtime.ledger.write() as tx:
        tx.execute(
            insert(schema.removals).values(
                host=shop.runtime.worker.host, folder=run.task, task=run.task, deaths=MOST_DEATHS
            )
        )
    shutil.rmtree(shop.runtime.data.workspace(run.task))

    _run_janitor(shop)

    assert _removals(shop) == {}


def test_a_folder_that_cannot_be_removed_does_not_delay_others(shop: Workshop) -> None:
    root = shop.runtime.data.workspaces
    run, before, over = ended(shop), ended(shop), ended(shop)
    _end_retention(shop, over)
    (root / f"{run.task}.gone-1").symlink_to(root / before.task)  # rmtree refuses to remove a link
    for name in ("a file", "b.file", "Ünlike", "-x"):
        (root / name).touch()
    (root / "dangling").symlink_to("/nowhere")
    shop.runtime.workspaces().set_aside(before.task)
    os.symlink(root, root / "c.gone-2")

    _run_janitor(shop)

    assert _folders(shop) == {run.task}
    assert shop.runtime.workspaces().set_aside_before() == {"c.gone-2"}
    assert (root / "a file").exists()


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
