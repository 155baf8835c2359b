"""Locks that end with their process, even if it is killed."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from bot.domain.errors import BadSettings
from bot.store.data_folder import DataFolder
from bot.store.process_locks import has_worker, is_dead, process_lock, try_lock, worker_lock


@contextmanager
def _process(code: str, data: Path) -> Iterator[tuple[str, "subprocess.Popen[str]"]]:
    """Start a Python process with `code`, which prints a line and waits; yield that line."""
    head = (
        "import sys, pathlib; from bot.store.process_locks import *\n"
        "folder = DataFolder(pathlib.Path(sys.argv[1]))\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", head + code, str(data)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout
        try:
            yield process.stdout.readline().strip(), process
        finally:
            process.kill()


LIVE = "with process_lock(folder, 'host') as holder:\n print(holder, flush=True)\n sys.stdin.read()"
WORK = "with worker_lock(folder, exclusive={exclusive}):\n print('ready', flush=True)\n sys.stdin.read()"


@pytest.mark.waits
def test_a_process_is_alive_until_it_is_killed(tmp_path: Path) -> None:
    with _process(LIVE, tmp_path) as (holder, process):
        assert not is_dead(DataFolder(tmp_path), holder)

        os.kill(process.pid, signal.SIGKILL)
        process.wait()

        assert is_dead(DataFolder(tmp_path), holder)
        assert list((tmp_path / "workers").iterdir()) == []


def test_a_process_is_alive_to_itself_while_it_has_its_lock(tmp_path: Path) -> None:
    with process_lock(DataFolder(tmp_path), "host") as holder:
        assert not is_dead(DataFolder(tmp_path), holder)

    assert is_dead(DataFolder(tmp_path), holder)


@pytest.mark.waits
def test_a_second_exclusive_worker_is_refused_with_the_process_id_of_the_first(tmp_path: Path) -> None:
    with _process(WORK.format(exclusive=True), tmp_path) as (_, process):
        with pytest.raises(BadSettings, match=rf"process {process.pid}\) already works on .*\[queue\] url"):
            worker_lock(DataFolder(tmp_path), exclusive=True).__enter__()

        assert has_worker(DataFolder(tmp_path))
    assert not has_worker(DataFolder(tmp_path))


@pytest.mark.waits
def test_two_workers_without_exclusive_locks_can_share_a_data_folder(tmp_path: Path) -> None:
    with _process(WORK.format(exclusive=False), tmp_path), worker_lock(DataFolder(tmp_path), exclusive=False):
        assert has_worker(DataFolder(tmp_path))


HOLD = "with try_lock(folder.root / 'one', patience=0) as mine:\n print(mine, flush=True)\n sys.stdin.read()"


@pytest.mark.waits
def test_a_lock_is_held_by_one_process_until_it_is_killed(tmp_path: Path) -> None:
    with _process(HOLD, tmp_path) as (mine, process):
        with try_lock(tmp_path / "one", patience=0) as ours:
            assert (mine, ours) == ("True", False)
        with try_lock(tmp_path / "other", patience=0) as ours:
            assert ours

        os.kill(process.pid, signal.SIGKILL)
        process.wait()

        with try_lock(tmp_path / "one", patience=0) as ours:
            assert ours
        assert list(tmp_path.iterdir()) == []


def test_a_lock_file_that_is_removed_each_time_has_one_holder_at_a_time(tmp_path: Path) -> None:
    inside = threading.Semaphore(1)

    def enter(_: int) -> int:
        had = 0
        for _ in range(50):
            with try_lock(tmp_path / "one", patience=0) as mine:
                if mine:
                    assert inside.acquire(blocking=False)
                    had += 1
                    inside.release()
        return had

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(enter, range(8))) > 0
