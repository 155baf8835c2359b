"""The disk usage of a workspace while an agent works in it.

A folder of the host cannot have a size limit of its own (docs/adr/0007), so it is
measured. A measurement needs a container and is costly, so one is made only when the
disk has lost enough space for this agent to be the cause. The free space of the disk
costs nothing to read.
"""

import threading
import time
from collections.abc import Callable

import structlog

from bot.domain.error_policy import away
from bot.domain.errors import BotError, SandboxFailed
from bot.domain.interrupt import Check
from bot.store.data_folder import DataFolder

log = structlog.get_logger()

_PAUSE = 5.0  # seconds between two measurements, at least
_SHARE = 20  # pause at least so many times as long as a measurement takes
# Seconds after which a measurement is due even if the disk has lost nothing: others may free as much as this
# agent takes.
_LATEST = 300.0
_END_WITHIN = 3.0  # seconds to wait for the end of a measurement that is not needed any more


class DiskUsage:
    """Repeated measurements of a workspace, each in a thread of its own.

    `size_of` returns bytes, may raise BotError, and calls the check it is given while it waits.
    """

    def __init__(self, size_of: Callable[[Check], int], *, data: DataFolder, limit: int) -> None:
        self.size = 0  # bytes, as measured last
        self._size_of, self._data, self._limit = size_of, data, limit
        self._free = data.free_bytes()
        self._began = self._ended = time.monotonic()
        self._thread: threading.Thread | None = None
        self._ending = threading.Event()

    def start_if_due(self) -> None:
        """Start a measurement if one is due."""
        if self.busy or not self._due(time.monotonic()):
            return
        # A daemon: if the engine hangs, the thread must not keep the process from ending.
        self._thread = threading.Thread(target=self.measure, name="disk-usage", daemon=True)
        self._thread.start()

    @property
    def busy(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def end(self) -> None:
        """Interrupt the present measurement and wait for its end, but not for an engine that hangs."""
        self._ending.set()
        if self._thread is not None:
            self._thread.join(_END_WITHIN)

    def _check(self) -> None:
        if self._ending.is_set():
            raise SandboxFailed("The measurement was not needed any more.")

    def _due(self, now: float) -> bool:
        idle = now - self._ended
        if idle < max(_PAUSE, _SHARE * (self._ended - self._began)):
            return False
        used = self._free - self._data.free_bytes()
        return used >= (self._limit - self.size) / 4 or idle >= _LATEST

    def measure(self) -> None:
        """Measure the workspace once, and log an error."""
        self._began, self._free = time.monotonic(), self._data.free_bytes()
        try:
            self.size = self._size_of(self._check)
        except BotError as error:
            if not self._ending.is_set():
                log.warning("workspace not measured", error=str(error), away=away(error))
        finally:
            self._ended = time.monotonic()
