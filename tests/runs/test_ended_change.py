"""A task that has left the branch of an ended change, and whose work is not on its new branch yet."""

import threading
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import update

from bot.domain.error_policy import Backoff
from bot.domain.errors import ForgeError, ForgeUnavailable
from bot.domain.outcomes import Outcome
from bot.domain.task import Task
from bot.runs import leased_run
from bot.runs.ended_change import ended_change
from bot.runs.execute import execute
from bot.runs.leased_run import take_up
from bot.runs.runtime import Runtime
from bot.store import claims, hosts, patches, schema, tasks
from bot.store.data_folder import DataFolder
from bot.tasks.operator import resume_from_cli
from tests.support.fakes import FakeForge
from tests.support.worker_bench import Workshop


@pytest.fixture
def unpushed(shop: Workshop) -> Task:
    """Push one commit of a task, let its agent fail after another one, and move its branch in the ledger."""
    first = shop.done("echo 1 > one")
    pushed = shop.task(first).pushed_head
    shop.resumed(first.task, "echo 2 > two; git add two; git commit -qm two; echo half > half; exit 3")
    target = with_file(shop, "hers")
    with shop.runtime.ledger.write() as tx:
        branch = f"{shop.task(first).branch}-2"
        tasks.write(tx, first.task, branch=branch, base_head=target, left_head=pushed, pushed_head="")
    return shop.task(first)


def with_file(shop: Workshop, name: str, content: str = "theirs") -> str:
    """Add a commit with this file to the remote's default branch; return its id."""
    blob = shop.desk.git("hash-object", "-w", "--stdin", stdin=content)
    listed = shop.desk.git("ls-tree", "main")
    tree = shop.desk.git("mktree", stdin=f"{listed}\n100644 blob {blob}\t{name}\n")
    made = shop.desk.git("commit-tree", "-m", name, "-p", "main", tree)
    shop.desk.git("update-ref", "refs/heads/main", made)
    return made


def test_the_next_run_moves_the_work_even_if_the_target_has_moved_since(
    shop: Workshop, unpushed: Task
) -> None:
    target = with_file(shop, "later")

    run = shop.resumed(unpushed.id, "test -e hers; test -e later; test -e half; echo 3 > three")

    task = shop.task(run)
    assert (run.outcome, task.left_head, task.base_head) == (Outcome.PUSHED, "", target), run.reason
    names = ["README.md", "half", "hers", "later", "three", "two"]
    assert shop.desk.git("ls-tree", "--name-only", task.branch).split() == names
    assert shop.desk.git("rev-parse", f"{task.branch}~2") == target


def test_the_move_ends_well_though_each_of_its_git_processes_is_killed_once(
    shop: Workshop, unpushed: Task, killing_each: Path
) -> None:
    run = shop.resumed(unpushed.id, "test -e hers; test -e half; echo 3 > three")

    assert (run.outcome, run.reason) == (Outcome.PUSHED, "")
    assert "\nmerge-tree " in killing_each.read_text()
    names = ["README.md", "half", "hers", "three", "two"]
    assert shop.desk.git("ls-tree", "--name-only", shop.task(run).branch).split() == names


def test_a_forge_that_is_away_is_asked_for_ended_changes_as_often_as_any_step_is_tried(
    shop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = shop.done("echo 1 > one")
    forge = FakeForge(failing=ForgeUnavailable("It does not answer."))
    monkeypatch.setattr(Runtime, "forge_of", lambda _runtime, _task: forge)
    monkeypatch.setattr(leased_run, "PHASE", Backoff(pauses=(0.01,), tries=3))

    run = shop.resumed(first.task, "echo 2 > two")

    assert (run.outcome, forge.calls) == (Outcome.PREPARE_FAILED, 3), run.reason


def test_a_forge_that_lists_no_changes_prevents_nothing_unless_the_bot_opened_one(
    shop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The project may have no merge requests, or the token may not list them."""
    first = shop.done("echo 1 > one")
    with shop.runtime.ledger.write() as tx:
        resume_from_cli(tx, first.task, "go on")
    again = shop.next()
    assert again is not None
    leased = take_up(shop.runtime, again, threading.Event())
    forge = FakeForge(failing=ForgeError("It may not list them (403)."))
    monkeypatch.setattr(Runtime, "forge_of", lambda _runtime, _task: forge)

    assert leased.task.pushed_head
    assert ended_change(leased) is None

    leased.task = replace(leased.task, change_number=3)
    with pytest.raises(ForgeError, match="may not list"):
        ended_change(leased)


def test_a_failed_agent_leaves_conflicting_work_on_the_old_commits(shop: Workshop, unpushed: Task) -> None:
    with_file(shop, "two")

    run = shop.resumed(unpushed.id, "echo 3 > three; git add three; git commit -qm 3; exit 4")

    task = shop.task(run)
    assert run.outcome is Outcome.AGENT_FAILED
    assert task.left_head == unpushed.left_head
    assert shop.saved(run, "checked", "three") == "3\n"
    with shop.runtime.ledger.read() as tx:
        patch = patches.newest(tx, task.id)
    assert patch is not None
    assert b"hers" not in patch.text


def test_on_another_host_the_lost_work_is_not_moved(shop: Workshop, unpushed: Task, tmp_path: Path) -> None:
    data = DataFolder(tmp_path / "other")
    data.root.mkdir()
    other = replace(shop.runtime, data=data, worker=replace(shop.runtime.worker, host="h2", holder="h2/1"))
    with shop.runtime.ledger.write() as tx:
        resume_from_cli(tx, unpushed.id, "go on")
        here = shop.runtime.worker
        hosts.record_seen(tx, here.host, here.folder, here.unresponsive_after)
        tx.execute(update(schema.hosts).values(seen_at=1.0))
    with other.ledger.write() as tx:
        run = claims.claim_next(tx, other.worker)
    assert run is not None

    execute(replace(other, agents=shop.agent("echo 3 > three").agents), run, threading.Event())

    task = shop.task(run)
    assert (shop.now(run).outcome, task.left_head) == (Outcome.PUSHED, ""), shop.now(run).reason
    assert shop.desk.git("ls-tree", "--name-only", task.branch).split() == ["README.md", "hers", "three"]
