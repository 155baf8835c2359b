"""What git writes to stderr, and which of it tells why it failed.

Of a limit that it ran into, its own words, or the number of a signal, tell nobody what to do.
"""

import os
import re
import signal
from typing import IO

_NO_MEMORY = re.compile(
    r"^fatal: (?:Out of memory|.*(?:mmap|malloc) failed: Cannot allocate memory)", re.MULTILINE
)
_STOPPED = {
    # Also at the end of its processor time: soft and hard limit are one.
    -signal.SIGKILL: "was stopped: it needs more memory or processor time than it may use",
    -signal.SIGSEGV: "crashed: something is nested too deeply for it",
}
_PART = 10_000  # bytes of either end
_ADVICE = "Remove what is very large, deeply nested or generated, and commit."


def limit_reached(command: str, status: int, stderr: str) -> str:
    """Return a sentence on the limit that ended this git command; "" if none did."""
    if _NO_MEMORY.search(stderr):
        return f"git {command} needs more memory than it may use. {_ADVICE}"
    return f"git {command} {_STOPPED[status]}. {_ADVICE}" if status in _STOPPED else ""


def both_ends(stderr: IO[bytes]) -> str:
    """Return the first and the last lines of a long output: the reason comes last. All of a short one."""
    size = stderr.seek(0, os.SEEK_END)
    stderr.seek(0)
    if size <= 2 * _PART:
        return stderr.read().decode(errors="replace")
    first = stderr.read(_PART).rpartition(b"\n")[0]
    stderr.seek(size - _PART)
    last = stderr.read(_PART).partition(b"\n")[2]
    return b"\n".join([first, last]).decode(errors="replace")
