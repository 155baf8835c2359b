"""What a running agent must not pass, watched from outside: time, silence, output, disk.

Memory, processors and the number of processes are not here: the engine holds
those, and the agent feels them itself.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from bot.domain.lifecycle import Outcome, Phase
from bot.runs.disk_usage import DiskUsage
from bot.runs.leased_run import LeasedRun
from bot.sandbox.workspace import Workspaces
from bot.store import runs
from bot.store.ledger import clock
from bot.text.units import human, time_limit

# An agent prints short lines a dozen times faster than we can read them from the engine, whose log must hold
# them all until we have: it has room for five times as many as these (bot/sandbox/engine/containers.py).
_BYTES_A_LINE = 200  # of the log limit that a line takes, however short it is


@dataclass(frozen=True, slots=True)
class Ended:
    """How the agent ended. `outcome` None: well; `exit_status` None: it has not, or nobody knows."""

    outcome: Outcome | None
    reason: str
    exit_status: int | None
    said: str = ""  # its own last words


class Bounds:
    """The limits of one run, from when this worker follows it; its time goes on from when it began.

    `over`: it has ended by itself before that, and only what it printed is still to be looked at.
    """

    def __init__(self, leased: LeasedRun, scale: DiskUsage, *, over: bool) -> None:
        self._runtime, self._run, self._over = leased.runtime, leased.run, over
        self._allowance = leased.runtime.allowance_of(leased.task)
        self._scale = scale
        self._lines = 0
        self._heard = now = time.monotonic()
        with leased.runtime.ledger.read() as tx:
            started = {phase: at for phase, at, _ in runs.phase_times(tx, leased.run.id)}[Phase.AGENT]
            self._deadline = now + leased.run.wall_limit - (clock(tx) - started)

    def heard(self, lines: int) -> None:
        """The agent has printed so many lines more, or pieces of one."""
        self._lines += lines
        self._heard = time.monotonic()

    def passed(self, printed: int) -> Ended | None:
        """The first limit that is passed, where the agent has printed so many bytes in all."""
        now, limit, lines = (
            time.monotonic(),
            self._runtime.log_bytes,
            self._runtime.log_bytes // _BYTES_A_LINE,
        )
        if printed > limit:
            return Ended(Outcome.OUTPUT_LIMIT, f"It printed more than {limit:,} bytes.", None)
        if self._lines > lines:
            return Ended(Outcome.OUTPUT_LIMIT, f"It printed more than {lines:,} lines.", None)
        if self._over:
            return None
        if now > self._deadline:
            words = f"It did not end within {time_limit(self._run.wall_limit)}."
            return Ended(Outcome.TIMED_OUT, words, None)
        if now - self._heard > self._allowance.idle:
            words = f"It printed nothing for {time_limit(self._allowance.idle)}."
            return Ended(Outcome.IDLE, words, None)
        return self._disk()

    def _disk(self) -> Ended | None:
        # A run begins only with all of it: half is what those that run may take from each other.
        left, limit = self._runtime.data.free_bytes(), self._allowance.limits.disk
        if left < self._runtime.free_space // 2:
            words = f"The disk of the workspaces has only {human(left)} left, for all of them."
            return Ended(Outcome.DISK_FULL, words, None)
        self._scale.look()
        if self._scale.size > limit:
            words = f"Its workspace takes {human(self._scale.size)} and may take {human(limit)}."
            return Ended(Outcome.DISK_FULL, words, None)
        return None


@contextmanager
def bounds(leased: LeasedRun, places: Workspaces, *, over: bool) -> Iterator[Bounds]:
    """Watch the limits of a run during the block; `over` as in `Bounds`."""
    name = leased.helper("size")
    limit = leased.runtime.allowance_of(leased.task).limits.disk
    scale = DiskUsage(
        lambda check: places.size(leased.task.id, name=name, check=check),
        data=leased.runtime.data,
        limit=limit,
    )
    try:
        yield Bounds(leased, scale, over=over)
    finally:
        scale.end()
