"""Locks that end with their process, however it ends."""

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
from bot.store.process_locks import alive, alone, at_work, is_dead, once, somebody_works


@contextmanager
def _process(code: str, data: Path) -> Iterator[tuple[str, "subprocess.Popen[str]"]]:
    """A Python process in the midst of `code`, which prints a line; that line."""
    head = "import sys, pathlib; from bot.store.process_locks import *; data = pathlib.Path(sys.argv[1])\n"
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


LIVE = "with alive(data, 'host') as holder:\n print(holder, flush=True)\n sys.stdin.read()"
WORK = "with at_work(data, alone={alone}):\n print('ready', flush=True)\n sys.stdin.read()"


def test_a_process_is_alive_until_it_is_killed(tmp_path: Path) -> None:
    with _process(LIVE, tmp_path) as (holder, process):
        assert not is_dead(tmp_path, holder)

        os.kill(process.pid, signal.SIGKILL)
        process.wait()

        assert is_dead(tmp_path, holder)
        assert list((tmp_path / "workers").iterdir()) == []


def test_our_own_process_is_alive_to_itself(tmp_path: Path) -> None:
    with alive(tmp_path, "host") as holder:
        assert not is_dead(tmp_path, holder)

    assert is_dead(tmp_path, holder)


def test_a_second_process_that_must_be_alone_is_refused_and_told_of_the_first(tmp_path: Path) -> None:
    with _process(WORK.format(alone=True), tmp_path) as (_, process):
        with pytest.raises(BadSettings, match=rf"process {process.pid}\) works on .*\[queue\] url"):
            at_work(tmp_path, alone=True).__enter__()

        assert somebody_works(tmp_path)
    assert not somebody_works(tmp_path)


def test_processes_that_share_redis_work_side_by_side(tmp_path: Path) -> None:
    with _process(WORK.format(alone=False), tmp_path), at_work(tmp_path, alone=False):
        assert somebody_works(tmp_path)


def test_what_is_written_once_stays(tmp_path: Path) -> None:
    assert once(tmp_path / "word", "first") == "first"
    assert once(tmp_path / "word", "second") == "first"
    assert [path.name for path in tmp_path.iterdir()] == ["word"]
    assert (tmp_path / "word").stat().st_mode & 0o777 == 0o600


HOLD = "with alone(data / 'one', patience=0) as mine:\n print(mine, flush=True)\n sys.stdin.read()"


def test_a_lock_is_held_by_one_process_until_it_is_killed(tmp_path: Path) -> None:
    with _process(HOLD, tmp_path) as (mine, process):
        with alone(tmp_path / "one", patience=0) as ours:
            assert (mine, ours) == ("True", False)
        with alone(tmp_path / "other", patience=0) as ours:
            assert ours

        os.kill(process.pid, signal.SIGKILL)
        process.wait()

        with alone(tmp_path / "one", patience=0) as ours:
            assert ours
        assert list(tmp_path.iterdir()) == []


def test_of_many_who_want_a_lock_that_is_removed_each_time_one_has_it(tmp_path: Path) -> None:
    inside = threading.Semaphore(1)

    def enter(_: int) -> int:
        had = 0
        for _ in range(50):
            with alone(tmp_path / "one", patience=0) as mine:
                if mine:
                    assert inside.acquire(blocking=False)
                    had += 1
                    inside.release()
        return had

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(enter, range(8))) > 0
