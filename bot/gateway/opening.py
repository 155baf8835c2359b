"""What runs of this host share of the way out, and one door for each of them."""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bot.domain.task import Run, Task
from bot.gateway.budget import Budget, RunBudget
from bot.gateway.endpoint import URL, Outside
from bot.gateway.package_proxy import Packages
from bot.gateway.providers import Provider
from bot.gateway.run_access import RunAccess
from bot.gateway.socket_server import open_socket
from bot.gateway.usage_counter import Counts
from bot.store import usage
from bot.store.data_folder import DataFolder
from bot.store.ledger import Ledger
from bot.store.shared_keys import run_token


@dataclass(frozen=True, slots=True, kw_only=True)
class Gateway:
    """Its parts, and where the folders of gates are."""

    data: DataFolder
    ledger: Ledger
    link_key: bytes
    routes: Mapping[str, Provider]
    budget: Budget
    hosts: Sequence[str] = ()  # of packages; patterns as packages.PATTERN has them

    def folder(self, run_id: str) -> Path:
        """What is mounted read-only at inside.FOLDER. It must be there before: `open` makes it."""
        return self.data.gateway(run_id)

    def outside(self, run_id: str) -> Outside | None:
        """What the agent is told; None where there is nothing that it could reach."""
        if not self.routes and not self.hosts:
            return None
        return Outside(
            url=URL,
            token=run_token(self.link_key, run_id),
            routes=tuple(self.routes),
            packages=bool(self.hosts),
        )

    def spent(self, run: Run, task: Task) -> str:
        """Which budget leaves a run nothing to begin with, in sentences; "" = none, or it has no models."""
        return self._run_budget(Counts(run.id), run, task).empty() if self.routes else ""

    @contextmanager
    def open(self, run: Run, task: Task) -> Iterator[RunAccess]:
        """The run's door, open until the block ends; it goes on counting where the ledger stands.

        What answers said that were cut then is known afterwards: save the counts once more. Left by an
        exception, the folder stays: the agent may go on, and the next worker opens it again. Left without
        one, the agent is over, and the folder goes.
        """
        with self.ledger.read() as tx:
            counts = Counts(
                run.id, usage.of_run(tx, run.id), usage.refused(tx, run.id), usage.reached(tx, run.id)
            )
        access = RunAccess(
            token=run_token(self.link_key, run.id),
            routes=self.routes,
            counts=counts,
            run_budget=self._run_budget(counts, run, task),
            packages=Packages(self.hosts),
        )
        with open_socket(self.folder(run.id), access):
            yield access
        self.remove(run.id)

    def remove(self, run_id: str) -> None:
        """Take away what an agent that is over reached the outside by."""
        shutil.rmtree(self.folder(run_id), ignore_errors=True)

    def _run_budget(self, counts: Counts, run: Run, task: Task) -> RunBudget:
        return RunBudget(self.budget, self.ledger, counts, repository=(task.thread.path, run.repository_url))
