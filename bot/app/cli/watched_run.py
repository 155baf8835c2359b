"""A run of the operator's: watched to its end, and executed here if no worker does it.

If the data folder has no worker, this process claims the run as a worker would.
Should one start in the meantime, the ledger decides which of the two has the run.
"""

import signal
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial

import typer

from bot.app.cli.output import say
from bot.domain.errors import NotPossible
from bot.domain.lifecycle import ENDED, Phase, State
from bot.domain.task import Run
from bot.reports.command_syntax import shell_command
from bot.reports.phrases import queue_position
from bot.runs.execute import execute
from bot.runs.runtime import Runtime
from bot.store import claims, runs
from bot.store.process_locks import has_worker
from bot.tasks import operator as verbs
from bot.web.run_log import LogFollower

_POLL = 0.3  # seconds
_INTERRUPTED, _TERMINATED = 130, 143  # exit status, as shells have it


@dataclass(slots=True)
class WatchedRun:
    """One run, its progress on stderr, and the thread that executes it, if it is executed here."""

    runtime: Runtime
    run: Run
    secrets: Sequence[str]
    _stopping: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None
    _steps_shown: list[str] = field(default_factory=list)
    _log: LogFollower = field(init=False)

    def __post_init__(self) -> None:
        agent = self.runtime.agents.get(self.run.agent)
        parser = agent.output_parser() if agent else None
        self._log = LogFollower(self.runtime.ledger, self.run.id, self.secrets, parser)

    def to_the_end(self) -> int:
        """Wait for the end of the run and return 0; after an interrupt, return an exit status at once.

        An interrupt cancels a run that is executed here.
        """
        before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(_TERMINATED))
        try:
            self._watch()
        except KeyboardInterrupt:
            if self._thread is None:
                say(f"{self.run.task} continues. To stop it: {shell_command('/cancel', self.run.task)}")
                return _INTERRUPTED
            self._cancel()
            self._watch()
        finally:
            signal.signal(signal.SIGTERM, before)
            self._stopping.set()  # a run that has not ended is released for the next worker
            if self._thread:
                self._thread.join()
        return 0

    def _watch(self) -> None:
        pause = threading.Event()
        while True:
            if self._thread is None and self.run.state is State.QUEUED:
                self._claim()
            is_executed_here = self._thread is not None and self._thread.is_alive()
            with self.runtime.ledger.read() as tx:
                self.run = runs.get(tx, self.run.id)
                position = runs.queue_position(tx, self.run)
                phases = [phase for phase, _, _ in runs.phase_times(tx, self.run.id)]
            self._show(position, phases)
            if self.run.state in ENDED:
                return
            if not is_executed_here and self.run.state is State.RUNNING and not has_worker(self.runtime.data):
                raise NotPossible(
                    f"No process works on {self.run.task} any more. `forgehand up` continues it."
                )
            pause.wait(_POLL)

    def _claim(self) -> None:
        if has_worker(self.runtime.data):
            return
        with self.runtime.ledger.write() as tx:
            claimed = claims.claim(tx, self.runtime.worker, self.run.id)
        if claimed:
            work = partial(execute, self.runtime, claimed, self._stopping)
            self._thread = threading.Thread(target=work, name="run")
            self._thread.start()

    def _cancel(self) -> None:
        say(f"cancelling {self.run.task}; a second interrupt leaves the run as it is")
        with suppress(NotPossible), self.runtime.ledger.write() as tx:
            verbs.cancel_from_cli(tx, self.run.task)

    def _show(self, position: int, phases: Sequence[Phase]) -> None:
        """Print the steps and log lines since the last poll, between which several phases may have passed."""
        for step in [f"waiting, {queue_position(position)}"] if position else map(str, phases):
            if step not in self._steps_shown:
                self._steps_shown.append(step)
                say(f"{self.run.task}: {step}")
        for line in self._log.lines(last=self.run.state in ENDED):
            typer.echo(f"  {line}", err=True)
