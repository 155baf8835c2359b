"""A terminal of 80 columns for a real process."""

import contextlib
import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from collections.abc import Mapping
from pathlib import Path

COLUMNS = 80
_STYLE = re.compile(r"\x1b\[[0-9;]*m")


def on_a_terminal(*args: str, folder: Path, environment: Mapping[str, str]) -> tuple[str, int]:
    """Run `forgehand` with these arguments; return what the terminal shows, with styles, and the status."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, COLUMNS, 0, 0))
    with subprocess.Popen(
        [sys.executable, "-m", "bot", *args],
        cwd=folder,
        env={**environment, "TERM": "xterm"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    ) as process:
        os.close(theirs)
        output = b""
        with contextlib.suppress(OSError), open(ours, "rb", buffering=0) as terminal:
            while piece := terminal.read(65536):
                output += piece
    return output.decode().replace("\r\n", "\n"), process.returncode


def without_styles(text: str) -> str:
    """Remove colours and bold type."""
    return _STYLE.sub("", text)
