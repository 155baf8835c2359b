"""What is over and still there: workspaces past their keep, folders and containers nobody claims.

Apart from the sweep, because one removal may take minutes and nudges may not
wait for it. Nothing that a run in line or at work needs is touched, and one
janitor at a time is at work on a data folder.
"""

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import structlog

from bot.errors import BotError, EngineUnavailable, NotPossible
from bot.house import House
from bot.model import ENDED, Run
from bot.presence import alone
from bot.removal import clear, janitors_lock, remove, rescue
from bot.sandbox.container import Found
from bot.store import runs, workspaces
from bot.store.ledger import clock

log = structlog.get_logger()

_DAY = 86400.0
_HOUR = 3600.0
_MINUTE = 60.0
_REMOVED_AT_ONCE = 5  # workspaces; each is a container and a lot of files
_AT_ONCE = 100
# Seconds a workspace stays past its keep where its work cannot be exported: time to mend what is in the way.
GRACE = _DAY
ORPHANED = _MINUTE  # seconds a container must have been nobody's before it is removed
_NAMELESS = _HOUR  # of one that is not of a run: longer than any removal or measuring takes
_HELPER = re.compile(r"forgehand-(?P<run>[a-z0-9]+-\d+)-(?P<epoch>\d+)-[a-z]+$")


@dataclass(slots=True)
class Janitor:
    """`look_every` is in seconds: how often it looks for what no row speaks of."""

    house: House
    look_every: float = _MINUTE
    orphaned: float = ORPHANED
    _again: dict[str, float] = field(default_factory=dict)  # when to try what was refused once more
    _since: dict[str, float] = field(default_factory=dict)  # when a container was first seen to be nobody's
    _looked_at: float = -_DAY

    def once(self) -> None:
        """Remove what is past its keep; once in a while also what crashes left behind."""
        with alone(janitors_lock(self.house), patience=0) as mine:
            if not mine:
                return
            self._past_keep()
            if time.monotonic() - self._looked_at >= self.look_every:
                self._looked_at = time.monotonic()
                at_work = self._containers()
                self._half_removed()
                self._half_made(at_work)

    def _past_keep(self) -> None:
        with self.house.ledger.read() as tx:
            over = workspaces.past_keep(tx, self.house.worker.host, _AT_ONCE)
        now = time.monotonic()
        for task_id in [each for each in over if self._again.get(each, now) <= now][:_REMOVED_AT_ONCE]:
            if (rescued := self._rescued(task_id)) is not None and remove(self.house, task_id, rescued):
                self._again.pop(task_id, None)
                log.info("workspace removed", task=task_id, exported=rescued)

    def _rescued(self, task_id: str) -> str | None:
        """What `rescue` says; None: it cannot be done now, so the workspace stays."""
        try:
            return rescue(self.house, task_id)
        except (BotError, OSError) as error:
            reason = str(error)[:500]
            with self.house.ledger.read() as tx:
                kept, now = workspaces.get(tx, task_id), clock(tx)
            over = kept is not None and kept.keep_until is not None and now > kept.keep_until + GRACE
            if over and not isinstance(error, EngineUnavailable):
                log.warning(
                    "workspace goes with work that could not be exported", task=task_id, reason=reason
                )
                return ""
            self._again[task_id] = time.monotonic() + _HOUR
            log.warning(
                "work could not be exported, the workspace stays for a day", task=task_id, reason=reason
            )
            return None

    def _half_removed(self) -> None:
        places = self.house.workspaces()
        for task_id in places.set_aside_before():
            places.clear_away(task_id)
            log.info("what was left of a removed workspace is gone", task=task_id)

    def _half_made(self, at_work: set[str]) -> None:
        """Rows without a folder, and folders without a row where no container is at work."""
        host, places = self.house.worker.host, self.house.workspaces()
        with self.house.ledger.read() as tx:
            rows, now = workspaces.present(tx, host), clock(tx)
        try:
            folders = places.folders()
        except FileNotFoundError:  # a data folder that is not there proves nothing
            return
        for kept in rows:
            if kept.task not in folders and kept.keep_until is not None:
                self._forget(kept.task)
        known = {kept.task for kept in rows}
        for task_id, changed_at in folders.items():
            due = self._again.get(task_id, 0.0) <= time.monotonic()
            if task_id not in known | at_work and now - changed_at > GRACE and due:
                self._clear(task_id)

    def _forget(self, task_id: str) -> None:
        with self.house.ledger.write() as tx:
            if workspaces.claim_removal(tx, task_id):
                log.warning("workspace was not there", task=task_id)

    def _clear(self, task_id: str) -> None:
        """Of a task that went on on another host, or that the ledger does not know."""
        try:
            rescued = rescue(self.house, task_id)
        except NotPossible:  # the ledger does not know it
            rescued = ""
        except (BotError, OSError) as error:
            self._again[task_id] = time.monotonic() + _HOUR
            log.warning("work could not be exported, its folder stays", task=task_id, reason=str(error)[:500])
            return
        clear(self.house, task_id)
        log.info("folder without a workspace removed", task=task_id, exported=rescued)

    def _containers(self) -> set[str]:
        """Remove those nobody needs; the tasks of which others are left."""
        now = time.monotonic()
        found = {each.name: each for each in self.house.engine.ours()}
        nobodys = dict(self._nobodys(found))
        self._since = {name: self._since.get(name, now) for name in nobodys}
        for name, limit in nobodys.items():
            if now - self._since[name] >= limit:
                self.house.engine.remove(name)
                log.warning("container removed that no run needed", container=found.pop(name).name)
        return {each.labels.get("forgehand.task", "") for each in found.values()}

    def _nobodys(self, found: dict[str, Found]) -> Iterator[tuple[str, float]]:
        """Names of containers no run needs, and for how many seconds each may yet stay."""
        for name, each in found.items():
            helper = _HELPER.match(name)
            run_id = helper["run"] if helper else each.labels.get("forgehand.run", "")
            if not run_id:
                yield name, _NAMELESS
                continue
            run = self._run(run_id)
            stale = run is None or run.state in ENDED or (helper and int(helper["epoch"]) < run.epoch)
            if stale:
                yield name, self.orphaned

    def _run(self, run_id: str) -> Run | None:
        with self.house.ledger.read() as tx:
            return runs.find(tx, run_id)
