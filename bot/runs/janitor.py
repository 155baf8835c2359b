"""What is over and still there: workspaces past their keep, folders and containers nobody claims.

Apart from the sweep, because one removal may take minutes and nudges may not wait
for it. Nothing that a run in line or at work needs is touched. Each removal is a job
of its own in one of a few lanes, so that neither a slow one nor one that kills the
process holds up the others.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import structlog
from sqlalchemy.exc import SQLAlchemyError

from bot.domain.errors import BotError, EngineUnavailable, LedgerUnavailable
from bot.runs.job_pool import JobPool
from bot.runs.leased_run import Stopped
from bot.runs.orphaned_containers import OrphanedContainers
from bot.runs.removal_attempt import Terms, TooSlow, records, seconds_for
from bot.runs.runtime import Runtime
from bot.runs.workspace_removal import NotExported, clear, clear_away, export_and_remove
from bot.sandbox.workspace import task_of
from bot.store import removals, workspaces
from bot.store.ledger import clock
from bot.store.removals import Removal

log = structlog.get_logger()

_DAY = 86400.0
_MINUTE = 60.0
_AT_ONCE = 100
# Seconds a workspace stays past its keep where its work cannot be exported: time to mend what is in the way.
GRACE = _DAY
ORPHANED = _MINUTE  # seconds a container must have been nobody's before it is removed
FIRST_LIMIT = 30.0  # seconds of the first attempt at a folder; few take longer, and those are put back
_LOOK, _FIRST, _SLOW, _SUSPECT, _CONTAINERS = "look", "first", "slow", "suspect", "containers"
# An attempt that overran waits for others of its kind only. Folders during whose removal a process died
# are tried one at a time: of several under way the next death would be counted against each.
_LANES = {_LOOK: 1, _FIRST: 2, _SLOW: 1, _SUSPECT: 1, _CONTAINERS: 2}

Remove = Callable[[str, Terms], None]


@dataclass(slots=True)
class Janitor:
    """Times are in seconds. `look_every` is how often it looks for what no row speaks of.

    Every removal is interrupted once `stopping` is set.
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
        """Start to remove what is past its keep; once in a while also what crashes left behind."""
        found = records(self.runtime)
        with self.runtime.ledger.read() as tx:
            over = workspaces.past_retention(tx, self.runtime.worker.host, _AT_ONCE)
        # Of those that killed the process before, first the one that is least likely to do so again.
        for task_id in sorted(over, key=lambda each: found[each].deaths if each in found else 0):
            self._start(self._remove, task_id, found.get(task_id))
        if time.monotonic() - self._looked_at >= self.look_every:
            self._looked_at = time.monotonic()
            self._jobs.start(_LOOK, _LOOK, self._look)

    def wait(self, seconds: float) -> bool:
        """Wait for what was started. Return False if some of it is still under way after so many seconds."""
        return self._jobs.wait(seconds)

    def finish(self, seconds: float) -> None:
        """End what is under way, once `stopping` is set, and wait for that as long as this.

        What cannot be interrupted ends with the process, and does not count as a death.
        """
        self._jobs.close()
        if not self._jobs.wait(seconds):
            log.warning("the bot stops although a removal is still under way")
        try:
            with self.runtime.ledger.write() as tx:
                removals.release_all(tx, self.runtime.worker.host, self.runtime.worker.holder)
        except LedgerUnavailable as error:
            log.warning("the end of removals could not be recorded", error=type(error).__name__)

    def _start(self, remove: Remove, folder: str, record: Removal | None) -> None:
        """Make one attempt at the folder, in the lane its record tells."""
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
            log.warning("workspace could not be removed yet", workspace=folder, reason=str(error)[:500])

    def _remove(self, task_id: str, terms: Terms) -> None:
        try:
            rescued = export_and_remove(self.runtime, task_id, terms, partial(self._goes_anyway, task_id))
        except NotExported as error:
            event = "work could not be exported, the workspace stays for a day"
            log.warning(event, task=task_id, reason=str(error)[:500])
        else:
            if rescued is not None:
                log.info("workspace removed", task=task_id, exported=rescued)

    def _goes_anyway(self, task_id: str, error: Exception) -> bool:
        """Decide about a workspace that cannot be exported: it is removed if its day of grace is over."""
        with self.runtime.ledger.read() as tx:
            kept, now = workspaces.get(tx, task_id), clock(tx)
        over = kept is not None and kept.keep_until is not None and now > kept.keep_until + GRACE
        if not over or isinstance(error, EngineUnavailable):
            return False
        event = "workspace goes with work that could not be exported"
        log.warning(event, task=task_id, reason=str(error)[:500])
        return True

    def _look(self) -> None:
        """Start to remove what no row speaks of."""
        try:
            found = records(self.runtime)
            rescued = {each.task for each in found.values() if each.holder}
            over, at_work = self._containers.find(rescued)
            for name in over:
                self._jobs.start(_CONTAINERS, f"container {name}", partial(self._remove_container, name))
            self._look_at_folders(found, at_work)
        except (BotError, OSError, SQLAlchemyError, LedgerUnavailable) as error:
            log.warning("could not look for leftovers", error=type(error).__name__, reason=str(error)[:200])

    def _remove_container(self, name: str) -> None:
        try:
            self.runtime.engine.remove(name)
        except BotError as error:
            log.warning("container could not be removed yet", container=name, reason=str(error)[:200])
        else:
            log.warning("container removed that no run needed", container=name)

    def _look_at_folders(self, found: dict[str, Removal], at_work: set[str]) -> None:
        """Rows without a folder, folders without a row where no container is at work, and those set aside."""
        host, places = self.runtime.worker.host, self.runtime.workspaces()
        with self.runtime.ledger.read() as tx:
            rows, now = workspaces.present(tx, host), clock(tx)
        try:
            aside, folders = places.set_aside_before(), places.folders()
        except FileNotFoundError:  # a data folder that is not there proves nothing
            return
        for kept in rows:
            if kept.task not in folders and kept.keep_until is not None:
                self._forget_workspace(kept.task)
        with self.runtime.ledger.write() as tx:
            for folder in found.keys() - folders.keys() - aside:
                removals.forget(tx, host, folder)
        known = {kept.task for kept in rows} | at_work
        left = {task_id for task_id, at in folders.items() if task_id not in known and now - at > GRACE}
        for each, remove in [
            *((each, self._clear_away) for each in aside),
            *((each, self._clear) for each in left),
        ]:
            record = found.get(each)
            if record is None or (not record.is_stuck and record.due_at <= now):
                self._start(remove, each, record)

    def _forget_workspace(self, task_id: str) -> None:
        with self.runtime.ledger.write() as tx:
            if workspaces.claim_removal(tx, task_id):
                log.warning("workspace was not there", task=task_id)

    def _clear_away(self, folder: str, terms: Terms) -> None:
        """Go on with a removal that was cut short."""
        if clear_away(self.runtime, folder, terms):
            log.info("what was left of a removed workspace is gone", task=task_of(folder))

    def _clear(self, task_id: str, terms: Terms) -> None:
        """Remove the folder of a task that went on on another host, or that the ledger does not know."""
        try:
            rescued = clear(self.runtime, task_id, terms, lambda _: False)
        except NotExported as error:
            event = "work could not be exported, its folder stays"
            log.warning(event, task=task_id, reason=str(error)[:500])
        else:
            if rescued is not None:
                log.info("folder without a workspace removed", task=task_id, exported=rescued)
