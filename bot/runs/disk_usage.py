"""How much room a workspace takes, while an agent works in it.

A folder of the host has no limit of its own (docs/adr/0007), so it is measured: in
a container, which costs something, and therefore only when the disk has lost so
much that this agent may be the reason. What the disk has left is free to know.
"""

import threading
import time
from collections.abc import Callable

import structlog

from bot.domain.errors import BotError, SandboxFailed
from bot.domain.interrupt import Check
from bot.store.data_folder import DataFolder

log = structlog.get_logger()

_PAUSE = 5.0  # seconds at least between two measurements, and
_SHARE = 20  # so many times as long as one takes
_LATEST = (
    300.0  # seconds: also where the disk seems to lose nothing, for others may free what this agent takes
)
_END_WITHIN = 3.0  # seconds to wait for the end of one that is not needed any more


class DiskUsage:
    """Measures again and again in a thread of its own.

    `measure` returns bytes, may raise BotError, and calls the check it is given while it waits.
    """

    def __init__(self, measure: Callable[[Check], int], *, data: DataFolder, limit: int) -> None:
        self.size = 0  # bytes, as measured last
        self._measure, self._data, self._limit = measure, data, limit
        self._room = data.free_bytes()
        self._began = self._ended = time.monotonic()
        self._thread: threading.Thread | None = None
        self._over = threading.Event()

    def look(self) -> None:
        """Begin a measurement where one is due."""
        if self.busy or not self._due(time.monotonic()):
            return
        # A daemon: an engine that hangs may hold it for longer than this process lives.
        self._thread = threading.Thread(target=self._weigh, name="scale", daemon=True)
        self._thread.start()

    @property
    def busy(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def end(self) -> None:
        """End a measurement that is under way, and wait for that, but not for an engine that hangs."""
        self._over.set()
        if self._thread is not None:
            self._thread.join(_END_WITHIN)

    def _must_go_on(self) -> None:
        if self._over.is_set():
            raise SandboxFailed("The measurement was not needed any more.")

    def _due(self, now: float) -> bool:
        idle = now - self._ended
        if idle < max(_PAUSE, _SHARE * (self._ended - self._began)):
            return False
        lost = self._room - self._data.free_bytes()
        return lost >= (self._limit - self.size) / 4 or idle >= _LATEST

    def _weigh(self) -> None:
        self._began, self._room = time.monotonic(), self._data.free_bytes()
        try:
            self.size = self._measure(self._must_go_on)
        except BotError as error:
            if not self._over.is_set():
                log.warning("workspace not measured", error=str(error))
        finally:
            self._ended = time.monotonic()
