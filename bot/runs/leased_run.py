"""One claimed run in the hands of this worker: its lease kept alive, its cancel flag watched.

Every phase passes `check` to whatever it waits for, so that a run that was
cancelled, taken over or told to stop ends within seconds wherever it is.
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

from bot.domain.error_policy import PHASE, PHASE_WITHOUT_ENGINE, TRANSIENT
from bot.domain.errors import EngineUnavailable, LeaseLost, LedgerUnavailable
from bot.domain.interrupt import interruptible
from bot.domain.lifecycle import Phase
from bot.domain.task import Run, Task
from bot.domain.thread import OPERATOR, Kind
from bot.reports import comments, messages
from bot.reports.messages import ProgressMessage
from bot.runs.runtime import Runtime
from bot.sandbox import container_names
from bot.sandbox.container_names import RunContainer
from bot.store import leases, runs, tasks, workspaces
from bot.store.leases import Lease

log = structlog.get_logger()

T = TypeVar("T")
_CLEARING = 5.0  # seconds a cancel waits while leftover containers are removed


class Stopped(Exception):
    """This process is told to stop: let the run go, in good order, where it stands."""


class Cancelled(Exception):
    """A person asked to stop this run."""


@dataclass(slots=True)
class LeasedRun:
    """The run, its task, and what this worker must know while it works on them."""

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
        """Name of the agent's container: without the epoch, so that the next worker finds it."""
        return container_names.make(RunContainer(self.run.id))

    @property
    def by_operator(self) -> bool:
        """Asked on this machine: no forge knows who that is, and none is asked."""
        return self.run.asked_by == OPERATOR

    def helper(self, purpose: str) -> str:
        """Return the name of a helper container of this epoch."""
        return container_names.make(RunContainer(self.run.id, self.run.epoch, purpose))

    def check(self) -> None:
        """Raise LeaseLost, Stopped or Cancelled if it is time to."""
        if self.lost.is_set():
            raise LeaseLost(f"Run {self.run.id} was taken over.")
        if self.stopping.is_set():
            raise Stopped
        if self.cancelled.is_set() and time.monotonic() >= self.cancel_waits_until:
            raise Cancelled

    def must_be_ours(self) -> None:
        """Raise LeaseLost where the ledger says so, also if our watch has not seen it yet."""
        with self.runtime.ledger.read() as tx:
            leases.is_cancel_asked(tx, self.lease)

    def clear_away(self) -> None:
        """Remove containers of workers and runs before this one: one writes to a workspace at a time.

        A run that ended while the engine was away may have left its agent at work.
        """
        if self.run.epoch == self.run.number == 1:
            return
        engine = self.runtime.engine
        # A cancel is for the agent's phase to hear, which then takes the work out.
        with self.undisturbed(_CLEARING):
            for each in self.asking(engine.ours):
                if container_names.is_of_task(each.name, self.task.id) and each.name != self.sandbox:
                    self.asking(partial(engine.remove, each.name))

    @contextmanager
    def undisturbed(self, seconds: float) -> Iterator[None]:
        """Let a cancel wait for the end of this block, but for so many seconds from now at most."""
        before, self.cancel_waits_until = self.cancel_waits_until, time.monotonic() + seconds
        try:
            yield
        finally:
            self.cancel_waits_until = before

    def enter(self, phase: Phase) -> None:
        """Record the phase, and tell the thread. Raises Cancelled, having changed nothing."""
        with self.runtime.ledger.write() as tx:
            leases.enter(tx, self.lease, phase)
            # In this transaction, or a cancel that was told "nothing is pushed" could lose to the push.
            if leases.is_cancel_asked(tx, self.lease):
                raise Cancelled
            self.tell(tx, phase)

    def settle(self, of_run: Mapping[str, Any] = MappingProxyType({}), **of_task: str) -> None:
        """Record facts about the run and its task, under this run's epoch."""
        with self.runtime.ledger.write() as tx:
            leases.write(tx, self.lease, **of_run)
            tasks.write(tx, self.task.id, **of_task)
            self.task = tasks.get(tx, self.task.id)

    def tell(self, tx: Connection, phase: Phase, last_line: str = "") -> None:
        """Put where the run stands on the thread's progress comment."""
        if self.task.thread.kind is Kind.CLI:
            return
        kept = workspaces.get(tx, self.task.id)
        text = comments.progress(
            self.run,
            self.task,
            phase,
            started_over=workspaces.is_recreated(tx, self.run, kept),
            host_lost=kept is not None and kept.lost,
            last_line=last_line,
            secrets=self.runtime.secrets,
        )
        message = ProgressMessage(text=text)
        messages.want(tx, message, subject=self.run.id, thread_key=self.task.thread_key)

    def retrying(self, step: Callable[[], T]) -> T:
        """Do the step; what may pass by itself is tried again, for about 40 seconds in all.

        Where it is the engine that is away, for ten minutes. Raises LeaseLost instead where the run is
        not ours any more.
        """
        failures = 0
        while True:
            self.check()
            # A worker that slept through its lease has not heard of it yet, and may wake up right here.
            self.must_be_ours()
            try:
                return step()
            except TRANSIENT as error:
                failures += 1
                backoff = PHASE_WITHOUT_ENGINE if isinstance(error, EngineUnavailable) else PHASE
                if backoff.is_exhausted(failures):
                    raise
                seconds = backoff.pause(failures)
                log.warning("step retry scheduled", error=str(error), seconds=seconds)
            self._pause(seconds)

    def asking(self, call: Callable[[], T]) -> T:
        """Do as `retrying`, with a call that may be abandoned when the run has to stop while it hangs.

        For calls that read, or that end what has to end: they may go on, and come to an end, unheard.
        """
        return self.retrying(lambda: interruptible(call, self.check))

    def _pause(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self.check()
            self.stopping.wait(min(left, 0.5))


def take_up(runtime: Runtime, run: Run, stopping: threading.Event) -> LeasedRun:
    """The run as it stands now, in the hands of whoever claimed it. Raises LeaseLost."""
    with runtime.ledger.write() as tx:
        leases.renew(tx, Lease(run.id, run.epoch), runtime.worker.lease)
        run, task = runs.get(tx, run.id), tasks.get(tx, run.task)
    leased = LeasedRun(runtime, run, task, stopping)
    if run.cancel_asked:
        leased.cancelled.set()
    return leased


@contextmanager
def watched(leased: LeasedRun) -> Iterator[None]:
    """Renew the lease and read the cancel flag in a thread of its own, until the block ends."""
    done = threading.Event()
    thread = threading.Thread(target=_watch, args=(leased, done), name=f"watch-{leased.run.id}")
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


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
            # A ledger that is away kills nothing: the lease is renewed, late, when it is back.
            log.warning("ledger does not answer", error=type(error).__name__)
