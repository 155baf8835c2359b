"""Containers of ours that no run needs: what workers that died have left."""

import time
from collections.abc import Iterator, Set
from dataclasses import dataclass, field

from bot.domain.lifecycle import ENDED
from bot.domain.task import Run
from bot.runs.runtime import Runtime
from bot.runs.workspace_removal import RESCUE
from bot.sandbox import container_names
from bot.sandbox.container_names import RunContainer
from bot.sandbox.engine.containers import OwnContainer
from bot.store import runs as run_rows

_NAMELESS = (
    3600.0  # seconds that one which is not of a run may stay: longer than any removal or measuring takes
)


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

    def _nobodys(self, found: dict[str, OwnContainer], rescued: Set[str]) -> Iterator[tuple[str, float]]:
        """Names of containers no run needs, and for how many seconds each may yet stay."""
        for name, each in found.items():
            parts = container_names.parse(name)
            run_id = each.labels.get("forgehand.run", parts.run if parts else "")
            if not run_id:
                yield name, _NAMELESS
                continue
            run = self._run(run_id)
            if run is not None and parts is not None and parts.purpose == RESCUE and run.task in rescued:
                continue
            if run is None or run.state in ENDED or _is_stale(parts, run):
                yield name, self.limit

    def _run(self, run_id: str) -> Run | None:
        with self.runtime.ledger.read() as tx:
            return run_rows.find(tx, run_id)


def _is_stale(parts: RunContainer | None, run: Run) -> bool:
    """Tell whether a helper container is of a worker that no longer has the run."""
    return parts is not None and parts.epoch is not None and parts.epoch < run.epoch
