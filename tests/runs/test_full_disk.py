"""A disk that becomes full in the middle of a run ends it as `disk_full` in every phase. Nothing is lost."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from bot.domain.errors import DiskFull
from bot.domain.lifecycle import Phase
from bot.domain.outcomes import Outcome
from bot.domain.task import Run
from bot.runs.error_verdict import verdict_on
from bot.runs.execute import execute
from bot.runs.leased_run import take_up
from bot.tasks.operator import resume_from_cli
from tests.support.inodes import needs_root, with_bytes
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
    root = shop.runtime.data.root
    disk = os.statvfs(root)
    filler = root / "of-others"
    with filler.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, disk.f_bavail * disk.f_frsize - count)
    yield
    filler.unlink()


def executed(shop: Workshop, run: Run, script: str) -> Run:
    runtime = replace(shop.agent(script), free_space=0)
    execute(runtime, run, threading.Event())
    return shop.now(run)


def add_file(shop: Workshop, content: bytes) -> None:
    """Commit a file to the remote's default branch."""
    source = shop.desk.folder / "source"
    source.write_bytes(content)
    blob = shop.desk.git("hash-object", "-w", str(source))
    listed = shop.desk.git("ls-tree", "main")
    tree = shop.desk.git("mktree", stdin=f"{listed}\n100644 blob {blob}\tlarge\n")
    made = shop.desk.git("commit-tree", "-m", "large", "-p", "main", tree)
    shop.desk.git("update-ref", "refs/heads/main", made)


def check_full(ended: Run) -> None:
    assert ended.outcome is Outcome.DISK_FULL, ended.reason
    assert ended.reason.startswith("The disk of the machine that the bot runs on is full.")


def check_resumed(shop: Workshop, run: Run, script: str) -> None:
    """Continue the task on a disk with enough space; its work is pushed."""
    with shop.runtime.ledger.write() as tx:
        resume_from_cli(tx, run.task, "go on")
    again = shop.next()
    assert again is not None
    ended = executed(shop, again, script)
    assert ended.outcome is Outcome.PUSHED, ended.reason


@pytest.mark.parametrize(
    ("content", "free"),
    [
        pytest.param(os.urandom(20 * MB), 5 * MB, id="fetch"),
        pytest.param(b"0" * 60 * MB, 20 * MB, id="checkout", marks=pytest.mark.long),
    ],
)
def test_a_repository_that_does_not_fit(tmp_path: Path, content: bytes, free: int) -> None:
    with small_disk(tmp_path) as shop:
        add_file(shop, content)
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


def test_the_push_names_a_full_disk_as_well(shop: Workshop) -> None:
    leased = take_up(shop.runtime, shop.claimed(), threading.Event())
    leased.enter(Phase.PUSH)

    verdict = verdict_on(leased, DiskFull())

    assert (verdict.outcome, verdict.next_command) == (Outcome.DISK_FULL, "/resume")
