"""A claimed run: its lease is renewed and its cancel flag is watched while this worker has it.

Every phase passes `check` to all of its waits. So this worker's work on a run ends within
seconds after a cancel, a takeover or a request to stop. After a cancel, the export has up
to 30 seconds more.
"""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from types import MappingProxyType
from typing import Any, TypeVar

import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from bot.domain.background import in_background
from bot.domain.change import CheckState
from bot.domain.error_policy import PHASE, PHASE_WITHOUT_ENGINE, TRANSIENT, away
from bot.domain.errors import EngineUnavailable, LeaseLost, LedgerUnavailable
from bot.domain.interrupt import interruptible
from bot.domain.lifecycle import Phase
from bot.domain.task import Run, Task
from bot.domain.thread import OPERATOR, Kind
from bot.reports import living_comment, outbox_messages
from bot.reports.living_comment import Progress
from bot.reports.outbox_messages import Message, ProgressMessage, StatusMessage
from bot.runs.runtime import Runtime
from bot.sandbox import container_names
from bot.sandbox.container_names import RunContainer
from bot.store import leases, workspaces
from bot.store import runs as run_rows
from bot.store import tasks as task_rows
from bot.store.leases import Lease
from bot.store.ledger import clock

log = structlog.get_logger()

T = TypeVar("T")
_REMOVING = 5.0  # seconds that a cancel waits for the removal of stale containers


class Stopped(Exception):
    """This process has to stop: the run is released in its present phase."""


class Cancelled(Exception):
    """A person cancelled this run."""


@dataclass(slots=True)
class LeasedRun:
    """A run and its task, with the events that interrupt the work of this worker on them."""

    runtime: Runtime
    run: Run
    task: Task
    stopping: threading.Event
    lost: threading.Event = field(default_factory=threading.Event)
    cancelled: threading.Event = field(default_factory=threading.Event)
    cancel_waits_until: float = 0.0  # on the monotonic clock; a cancel is not raised before

    @property
    def lease(self) -> Lease:
        return Lease(self.run.id, self.run.epoch)

    @property
    def sandbox(self) -> str:
        """Name of the agent's container, the same for every worker."""
        return container_names.make(RunContainer(self.run.id))

    @property
    def by_operator(self) -> bool:
        """Report whether the operator requested the run on this machine: no forge knows the requester."""
        return self.run.asked_by == OPERATOR

    def helper(self, purpose: str) -> str:
        """Return the name of a helper container of this epoch."""
        return container_names.make(RunContainer(self.run.id, self.run.epoch, purpose))

    def check(self) -> None:
        """Raise LeaseLost, Stopped or Cancelled if the work has to end."""
        if self.lost.is_set():
            raise LeaseLost(f"Run {self.run.id} was taken over.")
        if self.stopping.is_set():
            raise Stopped
        if self.cancelled.is_set() and time.monotonic() >= self.cancel_waits_until:
            raise Cancelled

    def require_lease(self) -> None:
        """Raise LeaseLost if another worker has the run, even if the watch has not noticed yet."""
        with self.runtime.ledger.read() as tx:
            leases.require(tx, self.lease)

    def remove_stale_containers(self) -> None:
        """Remove the task's containers of earlier workers and runs: a workspace has one writer at a time.

        A run that ended while the engine was away may have an agent that still works.
        """
        if self.run.epoch == self.run.number == 1:
            return
        engine = self.runtime.engine
        # The agent phase handles a cancel: the work is exported then.
        with self.delaying_cancel(_REMOVING):
            for each in self.retry_or_abandon(engine.ours):
                if container_names.is_of_task(each.name, self.task.id) and each.name != self.sandbox:
                    self.retry_or_abandon(partial(engine.remove, each.name))

    @contextmanager
    def delaying_cancel(self, seconds: float) -> Iterator[None]:
        """Delay a cancel until the end of this block, but at most for so many seconds from now."""
        before, self.cancel_waits_until = self.cancel_waits_until, time.monotonic() + seconds
        try:
            yield
        finally:
            self.cancel_waits_until = before

    def enter(self, phase: Phase) -> None:
        """Record the phase, and report it on the thread. Raises Cancelled, having changed nothing."""
        with self.runtime.ledger.write() as tx:
            leases.enter(tx, self.lease, phase)
            # Read in the same transaction: else the push could begin after a cancel was answered with
            # "nothing is pushed".
            if leases.is_cancel_asked(tx, self.lease):
                raise Cancelled
            self.report_progress(tx, phase)

    def record(self, of_run: Mapping[str, Any] = MappingProxyType({}), **of_task: str | None) -> None:
        """Record facts about the run and its task, under this run's epoch."""
        with self.runtime.ledger.write() as tx:
            leases.write(tx, self.lease, **of_run)
            task_rows.write(tx, self.task.id, **of_task)
            self.task = task_rows.get(tx, self.task.id)

    def report_progress(self, tx: Connection, phase: Phase, last_line: str = "") -> None:
        """Update the thread's progress comment."""
        if self.task.thread.kind is Kind.CLI:
            return
        kept = workspaces.get(tx, self.task.id)
        state = Progress(
            run=self.run,
            task=self.task,
            phase=phase,
            page=self.runtime.page(self.task.id),
            seconds=clock(tx) - (self.run.started_at or clock(tx)),
            started_over=workspaces.is_recreated(tx, self.run, kept),
            host_lost=kept is not None and kept.lost,
            last_line=last_line,
        )
        messages: list[Message] = [ProgressMessage(text=living_comment.progress(state, self.runtime.secrets))]
        if self.task.pinned:
            description = living_comment.short(state)
            messages.append(
                StatusMessage(commit=self.task.pinned, state=CheckState.PENDING, description=description)
            )
        for message in messages:
            outbox_messages.put(tx, message, subject=self.run.id, thread_key=self.task.thread_key)

    def retry(self, step: Callable[[], T]) -> T:
        """Call `step`, and call it again after an error that may pass: for about 40 seconds in all.

        If the engine is away, for ten minutes. Raises LeaseLost if another worker has taken the run over.
        """
        failures = 0
        while True:
            self.check()
            # The process may have slept for longer than its lease, and its watch may not have noticed yet.
            self.require_lease()
            try:
                return step()
            except TRANSIENT as error:
                failures += 1
                backoff = PHASE_WITHOUT_ENGINE if isinstance(error, EngineUnavailable) else PHASE
                if backoff.is_exhausted(failures):
                    raise
                seconds = backoff.pause(failures)
                log.warning("step retry scheduled", error=str(error), seconds=seconds, away=away(error))
            self._pause(seconds)

    def retry_or_abandon(self, call: Callable[[], T]) -> T:
        """Retry as `retry` does, and abandon a call that hangs when the run has to stop.

        An abandoned call may still complete later, and nobody uses its result. So pass only calls that read,
        or that remove or stop a container.
        """
        return self.retry(lambda: interruptible(call, self.check))

    def _pause(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while (remaining := end - time.monotonic()) > 0:
            self.check()
            self.stopping.wait(min(remaining, 0.5))


def take_up(runtime: Runtime, run: Run, stopping: threading.Event) -> LeasedRun:
    """Renew the lease of a claimed run and read the run as it is now. Raises LeaseLost."""
    with runtime.ledger.write() as tx:
        leases.renew(tx, Lease(run.id, run.epoch), runtime.worker.lease)
        run, task = run_rows.get(tx, run.id), task_rows.get(tx, run.task)
    leased = LeasedRun(runtime, run, task, stopping)
    if run.cancel_asked:
        leased.cancelled.set()
    return leased


@contextmanager
def watched(leased: LeasedRun) -> Iterator[None]:
    """Renew the lease and read the cancel flag in a thread of its own, until the block ends."""
    with in_background(partial(_watch, leased), name=f"watch-{leased.run.id}"):
        yield


def _watch(leased: LeasedRun, done: threading.Event) -> None:
    renewed, lease = time.monotonic(), leased.runtime.worker.lease
    while not done.wait(0.5) and not leased.lost.is_set():
        try:
            if time.monotonic() - renewed >= lease / 6:
                with leased.runtime.ledger.write() as tx:
                    leases.renew(tx, leased.lease, lease)
                renewed = time.monotonic()
            with leased.runtime.ledger.read() as tx:
                if leases.is_cancel_asked(tx, leased.lease):
                    leased.cancelled.set()
        except LeaseLost:
            leased.lost.set()
        except (SQLAlchemyError, LedgerUnavailable) as error:
            # A ledger that is away ends no run: the lease is renewed when the ledger is back, if late.
            log.warning("ledger does not answer", error=type(error).__name__, away=away(error))
