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
    -signal.SIGXCPU: "was stopped: it needs more processor time than its limit",
    -signal.SIGSEGV: "crashed: something is nested too deeply",
}
# Neither git nor a limit sends these: an operator does, or the kernel if the machine is short of memory.
_FROM_OUTSIDE = frozenset({signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGKILL, signal.SIGTERM})
# A child of our own git. Lines about the remote's processes have a prefix.
_CHILD = re.compile(r"^(?!remote:).* died of signal (\d+)$", re.MULTILINE)
# Our own disk. Lines about the remote's disk have a prefix.
# A checkout that cannot write a file names no reason; a full disk is the usual one.
_FULL = re.compile(
    r"^(?!remote:).*([Nn]o space left on device|[Dd]isk quota exceeded|Out of diskspace)"
    r"|^error: unable to write file ",
    re.MULTILINE,
)
_CREDENTIALS = re.compile(r"(?<=://)[^/\s@]*@")
_CONTROLS = re.compile(r"\x1b\[[0-9;]*[A-Za-z]|[\x00-\x09\x0b-\x1f\x7f-\x9f]")
_PART = 10_000  # bytes of each end
_ADVICE = "Remove very large, deeply nested or generated files, and commit."


def _limit_reached(command: str, status: int, stderr: str) -> str:
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


def clean(text: str) -> str:
    """Remove credentials and control characters from output of git or a remote."""
    return _CREDENTIALS.sub("", _CONTROLS.sub("", text.replace("\r", "\n")))


def is_killed(status: int, stderr: str) -> bool:
    """Report whether something outside the bot killed git or a child of it."""
    if not status:
        return False
    return any(number in _FROM_OUTSIDE for number in (-status, *map(int, _CHILD.findall(stderr))))


def is_disk_full(stderr: str) -> bool:
    """Report whether git, a shell or the engine reports that our own disk is full."""
    return _FULL.search(stderr) is not None


def first_lines(stderr: str, most: int = 3) -> str:
    """Return the first `most` lines; hints and warnings only if there is nothing else."""
    lines = [line.strip()[:300] for line in stderr.splitlines() if line.strip()]
    reasons = [line for line in lines if not line.startswith(("hint:", "warning:"))]
    return "; ".join((reasons or lines)[:most])


def failure(command: str, status: int, stderr: str) -> str:
    """Return a sentence on why a git command failed."""
    limit = _limit_reached(command, status, stderr)
    return limit or f"git {command} failed: {first_lines(stderr) or f'status {status}'}"
