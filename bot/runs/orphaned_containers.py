"""Containers that no run needs any more, for example after the death of a worker."""

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
from bot.store.process_locks import is_dead

# Seconds that a container without a run may stay: longer than any removal or measurement takes.
_WITHOUT_RUN = 3600.0


@dataclass(slots=True)
class OrphanedContainers:
    """The search for containers to remove. A run's container has to be orphaned for `limit` seconds."""

    runtime: Runtime
    limit: float
    # Monotonic time at which each was first found orphaned.
    _since: dict[str, float] = field(default_factory=dict)

    def find(self, rescued: Set[str]) -> tuple[list[str], set[str]]:
        """Return the names of the containers to remove now, and the tasks that have other containers.

        `rescued` are the tasks whose work is being exported now. Raises the errors of a call to the engine.
        """
        now = time.monotonic()
        found = {each.name: each for each in self.runtime.engine.ours()}
        orphans = dict(self._orphans(found, rescued))
        self._since = {name: self._since.get(name, now) for name in orphans}
        due = [name for name, limit in orphans.items() if now - self._since[name] >= limit]
        at_work = {each.labels.get("forgehand.task", "") for name, each in found.items() if name not in due}
        return due, at_work

    def _orphans(self, found: dict[str, OwnContainer], rescued: Set[str]) -> Iterator[tuple[str, float]]:
        """Find the containers that no run needs, and for how many seconds each may stay."""
        for name, each in found.items():
            parts = container_names.parse(name)
            run_id = each.labels.get("forgehand.run", parts.run if parts else "")
            if not run_id:
                yield name, self.limit if self._is_of_dead_process(name) else _WITHOUT_RUN
                continue
            run = self._run(run_id)
            if run is not None and parts is not None and parts.purpose == RESCUE and run.task in rescued:
                continue
            if run is None or run.state in ENDED or _is_stale(parts, run):
                yield name, self.limit

    def _is_of_dead_process(self, name: str) -> bool:
        process = container_names.process_of(name)
        return bool(process) and is_dead(self.runtime.data, process)

    def _run(self, run_id: str) -> Run | None:
        with self.runtime.ledger.read() as tx:
            return run_rows.find(tx, run_id)


def _is_stale(parts: RunContainer | None, run: Run) -> bool:
    """Report whether a helper container is of a worker that no longer has the run."""
    return parts is not None and parts.epoch is not None and parts.epoch < run.epoch
