"""Jobs in threads of their own, a bounded number at once.

Each job belongs to a lane, and a lane that is full holds up no other. The threads
are daemons: a job that cannot be interrupted does not keep the process from ending.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping

from bot.reports.incidents import incident

Job = Callable[[], None]


class JobPool:
    """`lanes` names each lane and tells how many of its jobs are at work at once."""

    def __init__(self, lanes: Mapping[str, int]) -> None:
        self._lanes = lanes
        self._changed = threading.Condition()
        self._waiting: dict[str, deque[tuple[str, Job]]] = {lane: deque() for lane in lanes}
        self._at_work = dict.fromkeys(lanes, 0)
        self._keys: set[str] = set()  # of jobs that wait or are at work
        self._closed = False

    def start(self, lane: str, key: str, job: Job) -> None:
        """Do the job as soon as its lane has room, unless a job of that key waits or is at work already."""
        with self._changed:
            if self._closed or key in self._keys:
                return
            self._keys.add(key)
            self._waiting[lane].append((key, job))
            if self._at_work[lane] < self._lanes[lane]:
                self._at_work[lane] += 1
                threading.Thread(target=self._work, args=(lane,), name=f"job-{lane}", daemon=True).start()

    def wait(self, seconds: float) -> bool:
        """Wait until no job is left. Return False if some are after so many seconds."""
        end = time.monotonic() + seconds
        with self._changed:
            while self._keys and (left := end - time.monotonic()) > 0:
                self._changed.wait(left)
            return not self._keys

    def close(self) -> None:
        """Start no more jobs, not even those that wait."""
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
                incident("job broke", error, job=key)
            with self._changed:
                self._keys.discard(key)
                self._changed.notify_all()

    def _next(self, lane: str) -> tuple[str, Job] | None:
        """The job that waited longest. None: the thread that asked is to end."""
        with self._changed:
            if self._waiting[lane]:
                return self._waiting[lane].popleft()
            self._at_work[lane] -= 1
            return None
