"""Failover: the work on an unresponsive host is lost, and its tasks continue with the pushed commits."""

import os
import shutil
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import update

from bot.agents.command_line import CommandLineAgent
from bot.domain.outcomes import Outcome
from bot.domain.task import Run
from bot.reports.phrases import HOST_STOPPED
from bot.runs.execute import execute
from bot.runs.janitor import LEFTOVER_AGE, Janitor
from bot.runs.runtime import Runtime
from bot.store import claims, hosts, leases, schema, workspaces
from bot.store.data_folder import DataFolder
from bot.tasks.operator import approve_from_cli, resume_from_cli
from tests.runs.past_runs import begun, ended, lost
from tests.support.cli_sandbox import LONG
from tests.support.rows import nobody_is_dead
from tests.support.worker_bench import Workshop


@pytest.fixture
def other(shop: Workshop, tmp_path: Path) -> Runtime:
    """Make another host of the same bot, with a disk of its own."""
    data = DataFolder(tmp_path / "other")
    data.root.mkdir()
    return replace(shop.runtime, data=data, worker=replace(shop.runtime.worker, host="h2", holder="h2/1"))


def _make_unresponsive(shop: Workshop) -> None:
    """Make the first host unresponsive, and let its leases expire."""
    here = shop.runtime.worker
    with shop.runtime.ledger.write() as tx:
        hosts.record_seen(tx, here.host, here.folder, here.unresponsive_after)
        tx.execute(update(schema.hosts).values(seen_at=1.0))
        tx.execute(update(schema.runs).values(lease_until=1.0))


def _resumed(shop: Workshop, run: Run) -> None:
    with shop.runtime.ledger.write() as tx:
        resume_from_cli(tx, run.task, "go on")


def _worked(shop: Workshop, runtime: Runtime, script: str) -> Run:
    """Execute the next run by a worker of that runtime."""
    with runtime.ledger.write() as tx:
        run = claims.claim_next(tx, runtime.worker)
    assert run is not None
    agents = {"shell": CommandLineAgent(["sh", "-ec", script])}
    execute(replace(runtime, agents=agents), run, threading.Event())
    return shop.now(run)


def test_a_task_continues_from_its_pushed_branch(shop: Workshop, other: Runtime) -> None:
    first = shop.done("echo 1 > one")
    _resumed(shop, first)
    with shop.runtime.ledger.write() as tx:
        assert claims.claim_next(tx, other.worker) is None
    _make_unresponsive(shop)

    run = _worked(shop, other, "test -e one; echo 2 > two")

    assert run.outcome is Outcome.PUSHED, run.reason
    [branch] = shop.branches()
    assert shop.desk.git("ls-tree", "--name-only", branch).split() == ["README.md", "one", "two"]
    with shop.runtime.ledger.read() as tx:
        kept = workspaces.get(tx, run.task)
        assert kept is not None
        assert (kept.host, kept.lost, workspaces.is_recreated(tx, run, kept)) == ("h2", True, True)


def test_a_task_without_a_push_continues_from_its_base(shop: Workshop, other: Runtime) -> None:
    first = shop.done("echo 1 > one; git add one; git commit -qm one; exit 3")
    assert shop.task(first).checked_head
    _make_unresponsive(shop)
    _resumed(shop, first)

    run = _worked(shop, other, "test ! -e one; echo 2 > two")

    assert run.outcome is Outcome.PUSHED, run.reason
    [branch] = shop.branches()
    assert shop.desk.git("ls-tree", "--name-only", branch).split() == ["README.md", "two"]


def test_a_run_whose_agent_worked_on_an_unresponsive_host_is_lost(shop: Workshop, other: Runtime) -> None:
    run = begun(shop).run
    with shop.runtime.ledger.write() as tx:
        leases.release(tx, leases.Lease(run.id, run.epoch))
        assert claims.take_over(tx, other.worker, nobody_is_dead) is None
    _make_unresponsive(shop)

    with shop.runtime.ledger.write() as tx:
        taken = claims.take_over(tx, other.worker, nobody_is_dead)
    assert taken is not None
    execute(other, taken, threading.Event())

    ended = shop.now(run)
    assert (ended.outcome, ended.reason) == (Outcome.LOST, HOST_STOPPED)


def test_a_run_that_an_unresponsive_host_was_preparing_is_prepared_by_another_host(
    shop: Workshop, other: Runtime
) -> None:
    run = shop.claimed()
    _make_unresponsive(shop)

    with shop.runtime.ledger.write() as tx:
        taken = claims.take_over(tx, other.worker, nobody_is_dead)
    assert taken is not None
    execute(
        replace(other, agents={"shell": CommandLineAgent(["sh", "-ec", "echo 1 > one"])}),
        taken,
        threading.Event(),
    )

    assert shop.now(run).outcome is Outcome.PUSHED


def test_a_commit_that_awaits_approval_on_an_unresponsive_host_cannot_be_pushed_by_another(
    shop: Workshop, other: Runtime
) -> None:
    first = ended(shop, Outcome.HELD)
    _make_unresponsive(shop)
    with shop.runtime.ledger.write() as tx:
        approve_from_cli(tx, first.task)

    run = _worked(shop, other, "exit 1")

    assert (run.outcome, run.reason, shop.branches()) == (Outcome.LOST, HOST_STOPPED, [])


def test_a_full_host_takes_no_task_from_another(shop: Workshop, other: Runtime) -> None:
    shop.claimed()
    _make_unresponsive(shop)

    with shop.runtime.ledger.write() as tx:
        assert claims.take_over(tx, replace(other.worker, per_host=0), nobody_is_dead) is None


def test_a_host_that_returns_exports_and_removes_its_outdated_workspaces(
    shop: Workshop, other: Runtime
) -> None:
    first = lost(shop)
    _make_unresponsive(shop)
    _resumed(shop, first)
    assert _worked(shop, other, "echo 3 > three").outcome is Outcome.PUSHED
    pushed = shop.task(first).checked_head
    [folder] = shop.runtime.data.workspaces.iterdir()
    os.utime(folder, (time.time() - LEFTOVER_AGE - 60,) * 2)

    for runtime in (shop.runtime, other):
        janitor = Janitor(runtime)
        janitor.once()
        assert janitor.wait(LONG)

    assert (shop.saved(first, "checked", "one"), shop.saved(first, "wip", "two")) == ("1\n", "2\n")
    assert shop.task(first).checked_head == pushed
    assert not folder.exists()
    assert set(other.workspaces().folders()) == {first.task}


def test_a_missing_base_is_reported(shop: Workshop, other: Runtime) -> None:
    first = ended(shop, Outcome.AGENT_FAILED)
    tree = shop.desk.git("mktree", stdin="")
    shop.desk.git("update-ref", "refs/heads/main", shop.desk.git("commit-tree", "-m", "rewritten", tree))
    _make_unresponsive(shop)
    _resumed(shop, first)

    run = _worked(shop, other, "true")

    assert run.outcome is Outcome.PREPARE_FAILED
    assert "from which the task started, is not on the remote any more" in run.reason


@pytest.mark.long
def test_a_task_continues_from_its_last_export_if_the_new_host_has_it(shop: Workshop, other: Runtime) -> None:
    first = shop.done("echo 1 > one; git add one; git commit -qm one; exit 3")
    shutil.copytree(shop.runtime.quarantine(first.task), other.quarantine(first.task))
    _make_unresponsive(shop)
    _resumed(shop, first)

    run = _worked(shop, other, "test -e one; echo 2 > two")

    assert run.outcome is Outcome.PUSHED, run.reason
