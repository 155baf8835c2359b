"""A git that is asked many things one after the other, beside the code that asks."""

import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from bot.domain.errors import GitFailed
from bot.domain.interrupt import INTERVAL, Check, uninterrupted
from bot.git.run import LIMITS, ended_within, environment, set_limits, too_late


@contextmanager
def conversation(
    *args: str,
    at: Path,
    env: Mapping[str, str],
    stderr: IO[bytes],
    seconds: float,
    check: Check = uninterrupted,
) -> Iterator[subprocess.Popen[bytes]]:
    """Run git beside the block, which writes to its stdin and reads its stdout, within `LIMITS`.

    `check` is called meanwhile. If it raises, git is killed, and the error passes on.
    """
    closed, pipe = environment(at, env), subprocess.PIPE
    process = subprocess.Popen(
        ["git", *args], env=closed, cwd="/", stdin=pipe, stdout=pipe, stderr=stderr, process_group=0
    )
    with ended_within(seconds, process, check) as late, process, _watched(process, check):
        set_limits(process, LIMITS)
        try:
            yield process
        except GitFailed as error:
            check()
            raise too_late(args[0], seconds) if late.is_set() else error from None


@contextmanager
def _watched(process: subprocess.Popen[bytes], check: Check) -> Iterator[None]:
    """Kill the process once `check` raises, so that the block's next read ends."""
    done = threading.Event()

    def watch() -> None:
        while not done.wait(INTERVAL):
            try:
                check()
            except BaseException:  # noqa: BLE001 - the block calls `check` itself when it is told of the end
                process.kill()
                return

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
