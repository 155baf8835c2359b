"""The check that a body is a JSON object, and the same check of large bodies in a process of its own.

The parser holds the interpreter's lock: 12 MB of small values stopped every other request for more than a
second, and became 1 GB of objects.
"""

import asyncio
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

from pydantic_core import from_json

LARGE = 1 << 20  # bytes; bodies above are checked in a process of their own
_MEMORY = 2 << 30  # bytes that this takes at most
_SECONDS = 20.0
_INVALID = 3  # exit status of a body that is not a JSON object
_TOO_LARGE = 4  # and of one that takes more memory


class NotJSON(ValueError):
    """The body is not a JSON object by RFC 8259: NaN, lone surrogates, too deep nesting, invalid UTF-8."""


class NotChecked(Exception):
    """The process of the check was killed, could not start, or had too little time."""


class LargeBodies:
    """The check of large bodies, one at a time."""

    def __init__(self) -> None:
        self._turn = asyncio.Semaphore(1)

    async def error(self, body: bytes) -> NotJSON | None:
        """Return the reason why `body` is not a JSON object; None if it is one.

        A body that takes more than 2 GiB of memory counts as invalid. Raises NotChecked.
        """
        async with self._turn:
            return await asyncio.to_thread(_error_apart, body)


def json_error(body: bytes) -> NotJSON | None:
    """Return the reason why `body` is not a JSON object; None if it is one."""
    try:
        if isinstance(from_json(body, allow_inf_nan=False, cache_strings="keys"), dict):
            return None
    except ValueError as error:
        return NotJSON(str(error))
    return NotJSON("not a JSON object")


def _error_apart(body: bytes) -> NotJSON | None:
    command = [sys.executable, "-I", "-m", __name__, str(_MEMORY)]
    try:
        done = subprocess.run(command, input=body, capture_output=True, timeout=_SECONDS, env={})
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotChecked(type(error).__name__) from error
    if done.returncode == _INVALID:
        return NotJSON(done.stdout.decode())
    if done.returncode in (_TOO_LARGE, -signal.SIGABRT):
        return NotJSON("it takes too much memory to read")
    if done.returncode:
        raise NotChecked(f"status {done.returncode}")
    return None


def _main() -> None:
    os.nice(10)  # other deliveries go first
    body = sys.stdin.buffer.read()
    memory = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize() + int(sys.argv[1])
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    try:
        error = json_error(body)
    except BaseException:  # noqa: BLE001 - MemoryError, or a panic of the parser that got no memory
        sys.exit(_TOO_LARGE)
    if error:
        sys.stdout.write(str(error))
        sys.exit(_INVALID)


if __name__ == "__main__":
    _main()
