"""A long-lived git process that answers many requests one after the other."""

import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from bot.domain.background import in_background
from bot.domain.errors import GitFailed, ProcessKilled
from bot.domain.interrupt import INTERVAL, Check, uninterrupted
from bot.git.run import LIMITS, environment, set_limits, time_limit, timeout_error


@contextmanager
def conversation(
    *args: str,
    at: Path,
    env: Mapping[str, str],
    stderr: IO[bytes],
    seconds: float,
    check: Check = uninterrupted,
) -> Iterator[subprocess.Popen[bytes]]:
    """Run git during the block, which writes to its stdin and reads its stdout, within `LIMITS`.

    `check` is called repeatedly. If it raises, git is killed and the error propagates. Raises GitFailed if
    git takes more than `seconds`.
    """
    closed, pipe = environment(at, env), subprocess.PIPE
    process = subprocess.Popen(
        ["git", *args], env=closed, cwd="/", stdin=pipe, stdout=pipe, stderr=stderr, process_group=0
    )
    with time_limit(seconds, process, check) as timed_out, process, _watched(process, check):
        set_limits(process, LIMITS)
        try:
            yield process
        except (GitFailed, ProcessKilled) as error:
            check()
            raise timeout_error(args[0], seconds) if timed_out.is_set() else error from None


@contextmanager
def _watched(process: subprocess.Popen[bytes], check: Check) -> Iterator[None]:
    """Kill the process when `check` raises, so that the block's next read returns.

    If the block then raises GitFailed or ProcessKilled, the error of `check` is raised in its place.
    """
    raised = list[BaseException]()

    def watch(done: threading.Event) -> None:
        while not done.wait(INTERVAL):
            try:
                check()
            except BaseException as error:  # noqa: BLE001 - raised below, in the thread of the block
                raised.append(error)
                process.kill()
                return

    try:
        with in_background(watch, name=f"git-{process.pid}"):
            yield
    except (GitFailed, ProcessKilled):
        if raised:
            raise raised[0] from None
        raise
