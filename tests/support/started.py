"""Detection of programs and connections that a test starts, by audit events of the interpreter.

Because of this, a test that waits for a container or a process cannot omit its mark, and `--quick`
cannot start one by mistake. Programs that end at once by themselves do not count.
"""

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ENGINE = "the container engine"
SERVERS = {"initdb", "postgres", "redis-server"}
_AT_ONCE = {"git", "openssl"}


class Watch:
    """A watch over the starts during a test.

    There is one per process, because an audit hook cannot be removed.
    """

    def __init__(self) -> None:
        self.refuses = False
        self._started: set[str] | None = None
        self._before: set[int | None] = set()
        sys.addaudithook(self._on_event)

    @contextmanager
    def test(self) -> Iterator[set[str]]:
        """Fill the set with the names of everything started before the end of the block.

        Threads that existed before do not count: an earlier test may have left them.
        """
        self._before = {thread.ident for thread in threading.enumerate()} - {threading.get_ident()}
        self._started = set()
        try:
            yield self._started
        finally:
            self._started = None

    def _on_event(self, event: str, args: tuple[Any, ...]) -> None:
        if self._started is None or not (name := _started(event, args)):
            return
        if threading.get_ident() in self._before:
            return
        self._started.add(name)
        if self.refuses:
            raise RuntimeError(f"--quick starts nothing: what needs {name} is marked `waits` or `servers`.")


def _started(event: str, args: tuple[Any, ...]) -> str:
    """Return the name of the program or server that this event starts, or "" if it does not count."""
    if event == "subprocess.Popen":
        name = Path(os.fsdecode(args[0] or args[1][0])).name
        return "" if name in _AT_ONCE else name
    if event == "socket.connect" and str(args[1]).endswith("docker.sock"):
        return ENGINE
    return ""
