"""Limits of a running agent that are watched from outside: time, silence, output, disk.

The limits of memory, processors and processes are not here: the engine enforces
those.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from bot.domain.lifecycle import Phase
from bot.domain.outcomes import Outcome, RunVerdict
from bot.runs.disk_usage import DiskUsage
from bot.runs.leased_run import LeasedRun
from bot.sandbox.workspace import Workspaces
from bot.store import runs as run_rows
from bot.store.ledger import clock
from bot.text.units import human, time_limit

# An agent prints short lines a dozen times faster than they can be read from the engine. The engine's log has
# to hold them until then: it has space for five times as many lines (bot/sandbox/engine/containers.py).
_BYTES_A_LINE = 200  # the limit of lines is the limit of bytes divided by this


class AgentLimits:
    """The limits of one run's agent, watched from the moment this worker follows it.

    The time limit counts from the start of the agent phase, also if another worker started it. `has_ended`
    means that the agent ended before this worker came: only the amount of its output is still checked.
    """

    def __init__(self, leased: LeasedRun, disk_usage: DiskUsage, *, has_ended: bool) -> None:
        self._runtime, self._run, self._has_ended = leased.runtime, leased.run, has_ended
        self._limits = leased.runtime.limits_of(leased.task)
        self._disk_usage = disk_usage
        self._lines = 0
        self._last_output = now = time.monotonic()
        with leased.runtime.ledger.read() as tx:
            started = {phase: at for phase, at, _ in run_rows.phase_times(tx, leased.run.id)}[Phase.AGENT]
            self._deadline = now + leased.run.wall_limit - (clock(tx) - started)

    def record_output(self, lines: int) -> None:
        """Record that the agent printed so many more lines, or parts of a long one, just now."""
        self._lines += lines
        self._last_output = time.monotonic()

    def exceeded(self, printed: int) -> RunVerdict | None:
        """Return the end of an agent that is past a limit, else None. `printed`: bytes of output in all."""
        now, limit = time.monotonic(), self._runtime.log_bytes
        lines = limit // _BYTES_A_LINE
        if printed > limit:
            return RunVerdict(Outcome.OUTPUT_LIMIT, f"It printed more than {limit:,} bytes.")
        if self._lines > lines:
            return RunVerdict(Outcome.OUTPUT_LIMIT, f"It printed more than {lines:,} lines.")
        if self._has_ended:
            return None
        if now > self._deadline:
            return RunVerdict(Outcome.TIMED_OUT, f"It did not end within {time_limit(self._run.wall_limit)}.")
        if now - self._last_output > self._limits.idle:
            return RunVerdict(Outcome.IDLE, f"It printed nothing for {time_limit(self._limits.idle)}.")
        return self._disk()

    def _disk(self) -> RunVerdict | None:
        # A run starts only if all of `free_space` is free. The running agents together may use half of it; if
        # less than half is left, each of them is stopped.
        free, limit = self._runtime.data.free_bytes(), self._limits.container.disk
        if free < self._runtime.free_space // 2:
            reason = f"The disk of the workspaces has only {human(free)} left, for all of them."
            return RunVerdict(Outcome.DISK_FULL, reason)
        self._disk_usage.start_if_due()
        size = self._disk_usage.size
        if size > limit:
            reason = f"Its workspace takes {human(size)} and may take {human(limit)}."
            return RunVerdict(Outcome.DISK_FULL, reason)
        return None


@contextmanager
def watched_limits(leased: LeasedRun, places: Workspaces, *, has_ended: bool) -> Iterator[AgentLimits]:
    """Watch the limits of a run during the block; `has_ended` as in `AgentLimits`."""
    name = leased.helper("size")
    disk_usage = DiskUsage(
        lambda check: places.size(leased.task.id, name=name, check=check),
        data=leased.runtime.data,
        limit=leased.runtime.limits_of(leased.task).container.disk,
    )
    try:
        yield AgentLimits(leased, disk_usage, has_ended=has_ended)
    finally:
        disk_usage.end()
