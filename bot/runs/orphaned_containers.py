"""Containers of ours that no run needs: what workers that died have left."""

import re
import time
from collections.abc import Iterator, Set
from dataclasses import dataclass, field

from bot.domain.lifecycle import ENDED
from bot.domain.task import Run
from bot.runs.runtime import Runtime
from bot.runs.workspace_removal import RESCUE
from bot.sandbox.engine.containers import Found
from bot.store import runs

_NAMELESS = (
    3600.0  # seconds that one which is not of a run may stay: longer than any removal or measuring takes
)
_HELPER = re.compile(r"forgehand-(?P<run>[a-z0-9]+-\d+)-(?P<epoch>\d+)-(?P<what>[a-z]+)$")


@dataclass(slots=True)
class OrphanedContainers:
    """`limit` is how many seconds a container of a run must have been nobody's before it goes."""

    runtime: Runtime
    limit: float
    _since: dict[str, float] = field(default_factory=dict)  # when each was first seen to be nobody's

    def find(self, rescued: Set[str]) -> tuple[list[str], set[str]]:
        """Return the names of those that are to be removed now, and the tasks of which there are others.

        `rescued` are tasks whose work is being exported just now. Raises as every call to the engine.
        """
        now = time.monotonic()
        found = {each.name: each for each in self.runtime.engine.ours()}
        nobodys = dict(self._nobodys(found, rescued))
        self._since = {name: self._since.get(name, now) for name in nobodys}
        over = [name for name, limit in nobodys.items() if now - self._since[name] >= limit]
        at_work = {each.labels.get("forgehand.task", "") for name, each in found.items() if name not in over}
        return over, at_work

    def _nobodys(self, found: dict[str, Found], rescued: Set[str]) -> Iterator[tuple[str, float]]:
        """Names of containers no run needs, and for how many seconds each may yet stay."""
        for name, each in found.items():
            helper = _HELPER.match(name)
            run_id = helper["run"] if helper else each.labels.get("forgehand.run", "")
            if not run_id:
                yield name, _NAMELESS
                continue
            run = self._run(run_id)
            if helper and helper["what"] == RESCUE and run is not None and run.task in rescued:
                continue
            stale = run is None or run.state in ENDED or (helper and int(helper["epoch"]) < run.epoch)
            if stale:
                yield name, self.limit

    def _run(self, run_id: str) -> Run | None:
        with self.runtime.ledger.read() as tx:
            return runs.find(tx, run_id)
