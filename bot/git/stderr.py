"""git's stderr, and the reason for a failure in it.

If git reached a limit, its own message, or the number of a signal, does not tell the user what to do.
"""

import os
import re
import signal
from typing import IO

_NO_MEMORY = re.compile(
    r"^fatal: (?:Out of memory|.*(?:mmap|malloc) failed: Cannot allocate memory)", re.MULTILINE
)
_STOPPED = {
    # Also sent at the limit of processor time, because soft and hard limit are equal.
    -signal.SIGKILL: "was killed: it needs more memory or processor time than its limit",
    -signal.SIGSEGV: "crashed: something is nested too deeply",
}
_PART = 10_000  # bytes of each end
_ADVICE = "Remove very large, deeply nested or generated files, and commit."


def limit_reached(command: str, status: int, stderr: str) -> str:
    """Return a sentence on the limit that ended this git command; "" if none did."""
    if _NO_MEMORY.search(stderr):
        return f"git {command} needs more memory than its limit. {_ADVICE}"
    return f"git {command} {_STOPPED[status]}. {_ADVICE}" if status in _STOPPED else ""


def both_ends(stderr: IO[bytes]) -> str:
    """Return a short output whole, and the first and last lines of a long one: the reason comes last."""
    size = stderr.seek(0, os.SEEK_END)
    stderr.seek(0)
    if size <= 2 * _PART:
        return stderr.read().decode(errors="replace")
    first = stderr.read(_PART).rpartition(b"\n")[0]
    stderr.seek(size - _PART)
    last = stderr.read(_PART).partition(b"\n")[2]
    return b"\n".join([first, last]).decode(errors="replace")
