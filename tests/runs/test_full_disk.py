"""A disk that becomes full in the middle of a run ends it as `disk_full` in every phase. Nothing is lost."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from bot.domain.lifecycle import Phase
from bot.domain.outcomes import Outcome
from bot.domain.task import Run
from bot.runs.execute import execute
from bot.runs.leased_run import take_up
from bot.runs.phases.prepare import fetch
from bot.store import tasks
from bot.tasks.operator import resume_from_cli
from tests.support.inodes import leave_free, needs_root, with_bytes
from tests.support.worker_bench import Workshop, in_a_workshop

pytestmark = [needs_root, pytest.mark.waits]

MB = 1_000_000
DISK = 200 * MB
PRINTS = f"i=0; while [ $i -lt 20000 ]; do echo {'x' * 1000}; i=$((i + 1)); done"  # 20 MB


@contextmanager
def small_disk(folder: Path) -> Iterator[Workshop]:
    """Set up a workshop whose data folder has a disk of its own; the ledger is on another one."""
    ledger = f"sqlite:///{folder / 'ledger.sqlite3'}"
    with with_bytes(folder / "forgehand-data", DISK), in_a_workshop(folder, ledger) as shop:
        yield shop


@contextmanager
def with_free(shop: Workshop, count: int) -> Iterator[None]:
    """Leave this many bytes of the disk free during the block."""
    filler = leave_free(shop.runtime.data.root, count)
    yield
    filler.unlink()


def executed(shop: Workshop, run: Run, script: str) -> Run:
    runtime = replace(shop.agent(script), free_space=0)
    execute(runtime, run, threading.Event())
    return shop.now(run)


def set_file(shop: Workshop, content: bytes) -> str:
    """Commit a file, or its new content, to the remote's default branch; return the commit."""
    source = shop.desk.folder / "source"
    source.write_bytes(content)
    blob = shop.desk.git("hash-object", "-w", str(source))
    others = [line for line in shop.desk.git("ls-tree", "main").split("\n") if "large" not in line]
    tree = shop.desk.git("mktree", stdin="\n".join([*others, f"100644 blob {blob}\tlarge", ""]))
    made = shop.desk.git("commit-tree", "-m", "large", "-p", "main", tree)
    shop.desk.git("update-ref", "refs/heads/main", made)
    return made


def check_full(ended: Run) -> None:
    assert ended.outcome is Outcome.DISK_FULL, ended.reason
    assert ended.reason.startswith("The disk of the machine that the bot runs on is full.")


def resumed(shop: Workshop, run: Run, text: str = "go on") -> Run:
    """Resume the task, and claim the new run."""
    with shop.runtime.ledger.write() as tx:
        resume_from_cli(tx, run.task, text)
    again = shop.next()
    assert again is not None
    return again


def check_resumed(shop: Workshop, run: Run, script: str, text: str = "go on") -> None:
    """Continue the task on a disk with enough space; its work is pushed."""
    ended = executed(shop, resumed(shop, run, text), script)
    assert ended.outcome is Outcome.PUSHED, ended.reason


def leave_branch(shop: Workshop, run: Run, target: str) -> None:
    """Record what a run does at the end of the branch's change: the task begins a new branch at `target`."""
    task = shop.task(run)
    with shop.runtime.ledger.write() as tx:
        tasks.write(
            tx,
            task.id,
            branch=f"{task.branch}-2",
            base_head=target,
            left_head=task.pushed_head,
            pushed_head="",
        )


@pytest.mark.parametrize(
    ("content", "free"),
    [
        pytest.param(os.urandom(20 * MB), 5 * MB, id="fetch"),
        pytest.param(b"0" * 60 * MB, 20 * MB, id="checkout", marks=pytest.mark.long),
    ],
)
def test_a_repository_that_does_not_fit(tmp_path: Path, content: bytes, free: int) -> None:
    with small_disk(tmp_path) as shop:
        set_file(shop, content)
        run = shop.claimed()
        with with_free(shop, free):
            check_full(executed(shop, run, "true"))
        check_resumed(shop, run, "echo 1 >one")


def test_a_log_that_does_not_fit(tmp_path: Path) -> None:
    with small_disk(tmp_path) as shop:
        run = shop.claimed()
        with with_free(shop, 5 * MB):
            check_full(executed(shop, run, f"echo 1 >one; {PRINTS}"))
        check_resumed(shop, run, "test -e one")


def test_work_that_does_not_fit_into_the_quarantine(tmp_path: Path) -> None:
    with small_disk(tmp_path) as shop:
        run = shop.claimed()
        with with_free(shop, 25 * MB):
            check_full(executed(shop, run, "head -c 20000000 /dev/urandom >one"))
        check_resumed(shop, run, "test -e one")


def test_a_resume_on_a_disk_without_space(tmp_path: Path) -> None:
    with small_disk(tmp_path) as shop:
        first = executed(shop, shop.claimed(), "echo 1 >one")
        with with_free(shop, 0):
            check_full(executed(shop, resumed(shop, first), "true"))
        check_resumed(shop, first, "test -e one; echo 2 >two; [ ! -e ~/broken-git* ]")


def test_a_move_to_a_new_branch_that_does_not_fit(tmp_path: Path) -> None:
    with small_disk(tmp_path) as shop:
        set_file(shop, b"small")
        first = executed(shop, shop.claimed(), "echo 1 >one")
        leave_branch(shop, first, set_file(shop, b"0" * 8 * MB))
        again = resumed(shop, first)
        with with_free(shop, 5 * MB):
            check_full(executed(shop, again, "true"))
        check_resumed(shop, first, "echo 2 >two")
        changed = shop.desk.git("diff", "--name-only", "main", shop.task(first).branch)
    assert changed == "two"


@pytest.mark.long
def test_unpushed_work_that_does_not_fit_on_a_new_branch(tmp_path: Path) -> None:
    text = b"\n".join(os.urandom(50).hex().encode() for _ in range(60_000))
    with small_disk(tmp_path) as shop:
        set_file(shop, text)
        first = executed(shop, shop.claimed(), "echo 1 >one")
        failing = "echo mine >>large; git commit -qam mine; exit 3"
        assert executed(shop, resumed(shop, first), failing).outcome is Outcome.AGENT_FAILED
        leave_branch(shop, first, set_file(shop, b"theirs\n" + text))
        again = resumed(shop, first)
        fetch(take_up(shop.runtime, again, threading.Event()))
        with with_free(shop, 1 * MB):
            check_full(executed(shop, again, "true"))
        check_resumed(shop, first, "grep -q theirs large; grep -q mine large")


def test_a_fetch_before_a_push_that_does_not_fit(tmp_path: Path) -> None:
    with small_disk(tmp_path) as shop:
        hook = shop.desk.repository / "hooks" / "pre-receive"
        hook.parent.mkdir(exist_ok=True)
        hook.write_text("#!/bin/sh\nexit 1\n")
        hook.chmod(0o755)
        first = executed(shop, shop.claimed(), "echo 1 >one")
        assert first.outcome is Outcome.PUSH_REJECTED, first.reason
        hook.unlink()
        set_file(shop, os.urandom(20 * MB))
        again = resumed(shop, first, "")
        assert again.phase is Phase.PUSH
        with with_free(shop, 5 * MB):
            check_full(executed(shop, again, "true"))
        check_resumed(shop, first, "true", "")


def test_an_export_without_space_for_a_file_leaves_the_outcome_of_the_agent(tmp_path: Path) -> None:
    with small_disk(tmp_path) as shop:
        run = shop.claimed()
        ended = executed(shop, run, "cat /dev/zero >fill 2>/dev/null || exit 3")
        assert ended.outcome is Outcome.AGENT_FAILED, ended.reason
        assert "could not be exported: The disk" in ended.reason
        (shop.runtime.data.workspaces / run.task / "repo" / "fill").unlink()
        check_resumed(shop, run, "echo 1 >one")
