"""How much room a workspace takes, while an agent works in it.

A folder of the host has no limit of its own (docs/adr/0007), so it is measured: in
a container, which costs something, and therefore only when the disk has lost so
much that this agent may be the reason. What the disk has left is free to know.
"""

import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import structlog

from bot.errors import BotError

log = structlog.get_logger()

_PAUSE = 5.0  # seconds at least between two measurements, and
_SHARE = 20  # so many times as long as one takes
_LATEST = (
    300.0  # seconds: also where the disk seems to lose nothing, for others may free what this agent takes
)


def room(data: Path) -> int:
    """Bytes that the disk of this folder has left; 0 where it can take no more files."""
    disk = os.statvfs(data)
    # Where a file system has no fixed number of files it says 0 of them in all.
    return 0 if disk.f_files and not disk.f_favail else disk.f_bavail * disk.f_frsize


class Scale:
    """Measures again and again in a thread of its own. `measure` returns bytes and may raise BotError."""

    def __init__(self, measure: Callable[[], int], *, data: Path, limit: int) -> None:
        self.size = 0  # bytes, as measured last
        self._measure, self._data, self._limit = measure, data, limit
        self._room = room(data)
        self._began = self._ended = time.monotonic()
        self._thread: threading.Thread | None = None

    def look(self) -> None:
        """Begin a measurement where one is due."""
        if self.busy or not self._due(time.monotonic()):
            return
        self._thread = threading.Thread(target=self._weigh, name="scale")
        self._thread.start()

    @property
    def busy(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def end(self, interrupt: Callable[[], None]) -> None:
        """Wait for a measurement that is under way; `interrupt` makes it end."""
        while self._thread and self._thread.is_alive():
            with suppress(BotError):
                interrupt()
            self._thread.join(0.2)

    def _due(self, now: float) -> bool:
        idle = now - self._ended
        if idle < max(_PAUSE, _SHARE * (self._ended - self._began)):
            return False
        lost = self._room - room(self._data)
        return lost >= (self._limit - self.size) / 4 or idle >= _LATEST

    def _weigh(self) -> None:
        self._began, self._room = time.monotonic(), room(self._data)
        try:
            self.size = self._measure()
        except BotError as error:
            log.warning("workspace not measured", error=str(error))
        finally:
            self._ended = time.monotonic()
