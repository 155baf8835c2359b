"""The janitor removes workspaces past their retention, and folders and containers without an owner.

It is not part of the sweep, because a removal may take minutes and nudges must not
wait for that. It removes nothing that a queued or running run needs. Each removal is
a job in one of a few lanes, so that neither a slow removal nor one that kills the
process delays the others.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import structlog
from sqlalchemy.exc import SQLAlchemyError

from bot.domain.error_policy import away
from bot.domain.errors import BotError, EngineUnavailable, LedgerUnavailable
from bot.runs.crash_leftovers import remove_files
from bot.runs.job_pool import JobPool
from bot.runs.leased_run import Stopped
from bot.runs.orphaned_containers import OrphanedContainers
from bot.runs.removal_attempt import Terms, TooSlow, records, remove_locks, seconds_for
from bot.runs.runtime import Runtime
from bot.runs.workspace_removal import NotExported, export_and_remove, remove_leftover, remove_set_aside
from bot.sandbox.workspace import task_of
from bot.store import removals, workspaces
from bot.store.ledger import clock
from bot.store.removals import Removal

log = structlog.get_logger()

_DAY = 86400.0
_MINUTE = 60.0
_AT_ONCE = 100
# Seconds that a workspace stays past its retention if its work cannot be exported: time to fix the cause.
GRACE = _DAY
LEFTOVER_AGE = _DAY  # seconds that a folder without a workspace in the ledger stays after its last change
ORPHANED = _MINUTE  # seconds that a container must have been orphaned before it is removed
FIRST_LIMIT = 30.0  # seconds of the first attempt at a folder; the few that take longer are tried again later
_LOOK, _FIRST, _SLOW, _SUSPECT, _CONTAINERS = "look", "first", "slow", "suspect", "containers"
# After an overrun, a folder is tried in the lane of slow folders, so that other folders do not wait for it.
# Folders during whose removal a process died are tried one at a time: if several were in progress, the next
# death would be counted for each of them.
_LANES = {_LOOK: 1, _FIRST: 2, _SLOW: 1, _SUSPECT: 1, _CONTAINERS: 2}

Remove = Callable[[str, Terms], None]


@dataclass(slots=True)
class Janitor:
    """The removals of this process. Times are in seconds.

    `look_every` is the interval between two searches for orphaned containers and for folders without a
    workspace in the ledger. Once `stopping` is set, all removals are interrupted.
    """

    runtime: Runtime
    stopping: threading.Event = field(default_factory=threading.Event)
    look_every: float = _MINUTE
    orphaned: float = ORPHANED
    first_limit: float = FIRST_LIMIT
    _looked_at: float = -_DAY
    _jobs: JobPool = field(default_factory=lambda: JobPool(_LANES))
    _containers: OrphanedContainers = field(init=False)

    def __post_init__(self) -> None:
        self._containers = OrphanedContainers(self.runtime, self.orphaned)

    def once(self) -> None:
        """Start removing workspaces past their retention and, from time to time, leftovers of crashes."""
        by_folder = records(self.runtime)
        with self.runtime.ledger.read() as tx:
            past = workspaces.past_retention(tx, self.runtime.worker.host, _AT_ONCE)
        # Removals that killed a process before come last, those with the fewest deaths first.
        for task_id in sorted(past, key=lambda each: by_folder[each].deaths if each in by_folder else 0):
            self._start(self._remove, task_id, by_folder.get(task_id))
        if time.monotonic() - self._looked_at >= self.look_every:
            self._looked_at = time.monotonic()
            self._jobs.start(_LOOK, _LOOK, self._look)
            self._jobs.start(_LOOK, "files", self._remove_files)

    def wait(self, seconds: float) -> bool:
        """Wait for all started removals. Return False if some are still in progress after so many seconds."""
        return self._jobs.wait(seconds)

    def finish(self, seconds: float) -> None:
        """Wait so many seconds for the end of all removals, after `stopping` was set.

        A removal that cannot be interrupted ends with the process, and does not count as a death.
        """
        self._jobs.close()
        if not self._jobs.wait(seconds):
            log.warning("bot stopped during a removal")
        try:
            with self.runtime.ledger.write() as tx:
                removals.release_all(tx, self.runtime.worker.host, self.runtime.worker.holder)
        except LedgerUnavailable as error:
            log.warning("end of removals not recorded", error=type(error).__name__, away=away(error))

    def _start(self, remove: Remove, folder: str, record: Removal | None) -> None:
        """Queue one attempt at the folder, in the lane that fits its earlier attempts."""
        lane = _FIRST
        if record is not None and (record.deaths or record.overruns):
            lane = _SUSPECT if record.deaths else _SLOW
        terms = Terms(check=self._check, seconds=seconds_for(record, self.first_limit))
        self._jobs.start(lane, folder, partial(self._try, remove, folder, terms))

    def _check(self) -> None:
        if self.stopping.is_set():
            raise Stopped

    def _try(self, remove: Remove, folder: str, terms: Terms) -> None:
        try:
            remove(folder, terms)
        except Stopped:
            log.info("removal interrupted", workspace=folder)
        except TooSlow as error:
            log.warning("removal postponed", workspace=folder, reason=str(error))
        except (BotError, OSError, SQLAlchemyError, LedgerUnavailable) as error:
            log.warning(
                "workspace not removed yet", workspace=folder, reason=str(error)[:500], away=away(error)
            )

    def _remove(self, task_id: str, terms: Terms) -> None:
        try:
            exported = export_and_remove(
                self.runtime,
                task_id,
                terms,
                partial(self._is_out_of_grace, task_id),
                partial(_log_loss, task_id),
            )
        except NotExported as error:
            event = "work not exported, workspace retained for a day"
            log.warning(event, task=task_id, reason=str(error)[:500])
        else:
            if exported is not None:
                log.info("workspace removed", task=task_id, exported=exported)

    def _is_out_of_grace(self, task_id: str, error: Exception) -> bool:
        """Report whether a workspace is removed although its work cannot be exported: yes, after one day."""
        with self.runtime.ledger.read() as tx:
            row, now = workspaces.get(tx, task_id), clock(tx)
        is_over = row is not None and row.keep_until is not None and now > row.keep_until + GRACE
        return is_over and not isinstance(error, EngineUnavailable)

    def _look(self) -> None:
        """Start the removal of orphaned containers, and of folders without a workspace in the ledger."""
        try:
            by_folder = records(self.runtime)
            exporting = {each.task for each in by_folder.values() if each.holder}
            orphans, at_work = self._containers.find(exporting)
            for name in orphans:
                self._jobs.start(_CONTAINERS, f"container {name}", partial(self._remove_container, name))
            self._look_at_folders(by_folder, at_work)
        except (BotError, OSError, SQLAlchemyError, LedgerUnavailable) as error:
            facts = {"error": type(error).__name__, "reason": str(error)[:200]}
            log.warning("search for leftovers failed", away=away(error), **facts)

    def _remove_files(self) -> None:
        try:
            remove_files(self.runtime.data, self.runtime.ledger)
        except (OSError, SQLAlchemyError, LedgerUnavailable) as error:
            log.warning("files of dead processes not removed", reason=str(error)[:200], away=away(error))

    def _remove_container(self, name: str) -> None:
        try:
            self.runtime.engine.remove(name)
        except BotError as error:
            log.warning(
                "container not removed yet", container=name, reason=str(error)[:200], away=away(error)
            )
        else:
            log.warning("orphaned container removed", container=name)

    def _look_at_folders(self, by_folder: dict[str, Removal], at_work: set[str]) -> None:
        """Forget workspaces without a folder, and start the removal of folders without a workspace.

        A folder in which a container works stays. Folders that were set aside are removed, too.
        """
        host, places = self.runtime.worker.host, self.runtime.workspaces()
        with self.runtime.ledger.read() as tx:
            rows, now = workspaces.present(tx, host), clock(tx)
        try:
            aside, folders = places.folders_set_aside(), places.folders()
        except FileNotFoundError:  # a missing data folder does not mean that its workspaces are gone
            return
        for row in rows:
            if row.task not in folders and row.keep_until is not None:
                self._forget_workspace(row.task)
        with self.runtime.ledger.write() as tx:
            for folder in by_folder.keys() - folders.keys() - aside:
                removals.forget(tx, host, folder)
        remove_locks(self.runtime, folders.keys() | aside)
        known = {row.task for row in rows} | at_work
        old = {task_id for task_id, at in folders.items() if now - at > LEFTOVER_AGE}
        for each, remove in [
            *((each, self._continue_removal) for each in aside),
            *((each, self._remove_leftover) for each in old - known),
        ]:
            record = by_folder.get(each)
            if record is None or (not record.is_stuck and record.due_at <= now):
                self._start(remove, each, record)

    def _forget_workspace(self, task_id: str) -> None:
        with self.runtime.ledger.write() as tx:
            if workspaces.claim_removal(tx, task_id):
                log.warning("workspace folder missing", task=task_id)

    def _continue_removal(self, folder: str, terms: Terms) -> None:
        """Continue a removal that was interrupted."""
        if remove_set_aside(self.runtime, folder, terms):
            log.info("leftovers of a removed workspace removed", task=task_of(folder))

    def _remove_leftover(self, task_id: str, terms: Terms) -> None:
        """Remove the folder of a task that continued on another host, or that the ledger does not know."""
        try:
            exported = remove_leftover(self.runtime, task_id, terms, lambda _: False)
        except NotExported as error:
            event = "work not exported, folder retained"
            log.warning(event, task=task_id, reason=str(error)[:500])
        else:
            if exported is not None:
                log.info("folder without a workspace removed", task=task_id, exported=exported)


def _log_loss(task_id: str, error: Exception) -> None:
    event = "workspace removed, unexported work lost"
    log.warning(event, task=task_id, reason=str(error)[:500])
