"""Locks that end with their process, however it ends."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bot.errors import BadSettings
from bot.presence import alive, at_work, is_dead, once, somebody_works


@contextmanager
def _process(code: str, data: Path) -> Iterator[tuple[str, "subprocess.Popen[str]"]]:
    """A Python process in the midst of `code`, which prints a line; that line."""
    head = "import sys, pathlib; from bot.presence import *; data = pathlib.Path(sys.argv[1])\n"
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
