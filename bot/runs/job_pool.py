"""Jobs in threads of their own, a limited number at once.

Each job belongs to a lane, and a full lane does not delay the others. The threads are
daemons: a job that cannot be interrupted does not keep the process from ending.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping

from bot.reports.incidents import incident

Job = Callable[[], None]


class JobPool:
    """Lanes of jobs. `lanes` gives the number of jobs that each lane runs at once, by its name."""

    def __init__(self, lanes: Mapping[str, int]) -> None:
        self._lanes = lanes
        self._changed = threading.Condition()
        self._waiting: dict[str, deque[tuple[str, Job]]] = {lane: deque() for lane in lanes}
        self._running = dict.fromkeys(lanes, 0)
        self._keys: set[str] = set()  # of jobs that are queued or running
        self._closed = False

    def start(self, lane: str, key: str, job: Job) -> None:
        """Queue the job in its lane, unless a job with that key is queued or running already."""
        with self._changed:
            if self._closed or key in self._keys:
                return
            self._keys.add(key)
            self._waiting[lane].append((key, job))
            if self._running[lane] < self._lanes[lane]:
                self._running[lane] += 1
                threading.Thread(target=self._work, args=(lane,), name=f"job-{lane}", daemon=True).start()

    def wait(self, seconds: float) -> bool:
        """Wait until all jobs have ended. Return False if some have not after so many seconds."""
        end = time.monotonic() + seconds
        with self._changed:
            while self._keys and (remaining := end - time.monotonic()) > 0:
                self._changed.wait(remaining)
            return not self._keys

    def close(self) -> None:
        """Drop all queued jobs, and accept no more."""
        with self._changed:
            self._closed = True
            for waiting in self._waiting.values():
                self._keys -= {key for key, _ in waiting}
                waiting.clear()
            self._changed.notify_all()

    def _work(self, lane: str) -> None:
        while (taken := self._next(lane)) is not None:
            key, job = taken
            try:
                job()
            except Exception as error:  # noqa: BLE001 - a bug in one job must not end the lane
                incident("job failed", error, job=key)
            with self._changed:
                self._keys.discard(key)
                self._changed.notify_all()

    def _next(self, lane: str) -> tuple[str, Job] | None:
        """Return the job that has waited longest; None if the calling thread has to end."""
        with self._changed:
            if self._waiting[lane]:
                return self._waiting[lane].popleft()
            self._running[lane] -= 1
            return None
