"""Removal of workspaces: unexported work is in the quarantine before the files are removed."""

import threading

import pytest

from bot.domain.errors import ExportRefused
from bot.domain.interrupt import uninterrupted
from bot.domain.lifecycle import State
from bot.domain.outcomes import Outcome
from bot.domain.task import Run
from bot.git.fetch import fetch
from bot.runs.execute import execute
from bot.runs.removal_attempt import Terms
from bot.runs.workspace_removal import export_and_remove, rescue
from bot.store import removals, tasks, workspaces
from bot.store.removals import Key
from bot.tasks.operator import resume_from_cli
from tests.runs.past_runs import damaged, ended, lost, unexported
from tests.support.rows import all_are_dead
from tests.support.worker_bench import Workshop


def _remove(shop: Workshop, run: Run) -> str | None:
    return export_and_remove(shop.runtime, run.task, Terms(check=uninterrupted), lambda _: False)


def test_the_work_of_a_lost_run_is_exported_and_its_task_continues_from_the_export(shop: Workshop) -> None:
    run = lost(shop)
    assert shop.task(run).checked_head == ""

    rescued = _remove(shop, run)

    assert (shop.saved(run, "checked", "one"), shop.saved(run, "wip", "two")) == ("1\n", "2\n")
    assert shop.task(run).checked_head == rescued
    assert not shop.runtime.workspaces().folders()
    assert (shop.branches(), shop.containers()) == ([], [])
    with shop.runtime.ledger.write() as tx:
        resume_from_cli(tx, run.task, "go on")
    again = shop.next()
    assert again is not None
    execute(shop.agent("test -e one; test ! -e two; echo 3 > three"), again, threading.Event())
    assert shop.now(again).outcome is Outcome.PUSHED
    [branch] = shop.branches()
    assert shop.desk.git("ls-tree", "--name-only", branch).split() == ["README.md", "one", "three"]


@pytest.mark.parametrize(
    "script",
    [
        "echo 1 > one",
        *(pytest.param(each, marks=pytest.mark.long) for each in ("echo 1 > one; exit 3", "true")),
    ],
)
def test_exported_work_is_not_exported_again(shop: Workshop, script: str) -> None:
    run = shop.done(script)
    before = shop.task(run)

    assert _remove(shop, run) == ""

    assert shop.task(run) == before
    assert not (shop.mirror(run) / "refs" / "keep" / run.task).exists()


def test_an_export_that_fails_is_reported(shop: Workshop) -> None:
    run = damaged(shop)

    with pytest.raises(ExportRefused, match=r"its .git is damaged"):
        rescue(shop.runtime, run.task)

    assert run.task in shop.runtime.workspaces().folders()


def test_the_workspace_of_a_queued_run_is_not_removed(shop: Workshop) -> None:
    run = ended(shop)
    with shop.runtime.ledger.write() as tx:
        resume_from_cli(tx, run.task, "go on")

    assert _remove(shop, run) is None

    assert shop.runtime.workspaces().has(run.task)


def test_a_workspace_is_removed_once(shop: Workshop) -> None:
    run = ended(shop)

    assert [_remove(shop, run) for _ in range(2)] == ["", None]

    with shop.runtime.ledger.read() as tx:
        kept = workspaces.get(tx, run.task)
    assert kept is not None
    assert kept.removed_at is not None
    assert shop.task(run).state is State.SUCCEEDED


def test_a_removal_records_the_export_that_a_dead_process_did_not_record(shop: Workshop) -> None:
    run = lost(shop)
    exported = rescue(shop.runtime, run.task)  # then the process dies before it records the export

    assert _remove(shop, run) == exported

    assert shop.task(run).checked_head == exported


def test_an_outdated_export_does_not_reset_its_task(shop: Workshop) -> None:
    run = lost(shop)
    older = rescue(shop.runtime, run.task)
    newer = shop.desk.git("commit-tree", "-m", "newer", "-p", shop.task(run).base_head, "main^{tree}")
    shop.desk.git("update-ref", "refs/heads/newer", newer)
    fetch(shop.runtime.mirror(shop.task(run)), str(shop.desk.repository), {})
    with shop.runtime.ledger.write() as tx:
        tasks.write(tx, run.task, checked_head=newer)

    assert _remove(shop, run) == ""

    assert older != newer
    assert shop.task(run).checked_head == newer


@pytest.mark.parametrize(("export", "saved"), [(True, "1\n"), (False, "")])
def test_a_stuck_workspace_is_removed_only_at_a_persons_request(
    shop: Workshop, *, export: bool, saved: str
) -> None:
    run = unexported(shop, "two")
    with shop.runtime.ledger.write() as tx:
        for _ in range(removals.MOST_DEATHS):
            removals.begin(tx, Key(shop.runtime.worker.host, run.task, "h1/dead"), run.task)
            removals.count_deaths(tx, shop.runtime.worker.host, all_are_dead)
    assert _remove(shop, run) is None

    by_hand = Terms(check=uninterrupted, by_hand=True, export=export)
    assert export_and_remove(shop.runtime, run.task, by_hand, lambda _: False) is not None

    assert shop.saved(run, "wip", "two") == saved
    assert not shop.runtime.workspaces().folders()
    with shop.runtime.ledger.read() as tx:
        assert removals.of_host(tx, shop.runtime.worker.host) == {}


def test_a_loss_is_reported_only_if_the_workspace_is_removed(shop: Workshop) -> None:
    resumed, removed, terms = damaged(shop), damaged(shop), Terms(check=uninterrupted)
    losses: list[Exception] = []

    def resume(_: Exception) -> bool:
        with shop.runtime.ledger.write() as tx:
            resume_from_cli(tx, resumed.task, "go on")
        return True

    assert export_and_remove(shop.runtime, resumed.task, terms, resume, losses.append) is None
    assert (set(shop.runtime.workspaces().folders()), losses) == ({resumed.task, removed.task}, [])

    assert export_and_remove(shop.runtime, removed.task, terms, lambda _: True, losses.append) == ""
    assert set(shop.runtime.workspaces().folders()) == {resumed.task}
    assert ["its .git is damaged" in str(error) for error in losses] == [True]
