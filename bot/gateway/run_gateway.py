"""The gateway of this host, which opens an access for each run."""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from bot.domain.task import Run, Task
from bot.gateway.budget import Budget, RunBudget
from bot.gateway.endpoint import URL, GatewayEndpoint
from bot.gateway.package_proxy import PackageProxy
from bot.gateway.providers import Provider
from bot.gateway.run_access import RunAccess
from bot.gateway.socket_server import open_socket
from bot.gateway.usage_counter import UsageCounter
from bot.store import usage
from bot.store.data_folder import DataFolder
from bot.store.ledger import Ledger
from bot.store.shared_keys import run_token


@dataclass(frozen=True, slots=True, kw_only=True)
class Gateway:
    """Providers, package hosts and budget, shared by all runs of this host."""

    data: DataFolder
    ledger: Ledger
    link_key: bytes
    providers: Mapping[str, Provider]
    budget: Budget
    hosts: Sequence[str] = ()  # of packages; in the form of package_proxy.PATTERN

    def folder(self, run_id: str) -> Path:
        """Return the folder to mount read-only at endpoint.FOLDER. It exists once `open` has made it."""
        return self.data.gateway(run_id)

    def endpoint(self, run_id: str) -> GatewayEndpoint | None:
        """Return the endpoint for the run's agent; None if there is nothing to reach."""
        if not self.providers and not self.hosts:
            return None
        return GatewayEndpoint(
            url=URL,
            token=run_token(self.link_key, run_id),
            providers=tuple(self.providers),
            packages=bool(self.hosts),
        )

    def exhausted_budget(self, run: Run, task: Task) -> str:
        """Return which budget is used up before a run begins, in sentences; "" if none, or without models."""
        return self._run_budget(UsageCounter(run.id), run, task).exhausted() if self.providers else ""

    def reaching(self, hosts: Sequence[str]) -> Self:
        """Return this gateway with more package hosts."""
        return replace(self, hosts=list(dict.fromkeys([*self.hosts, *hosts])))

    def unpriced_provider(self) -> str:
        """Return a provider without prices, which a budget in dollars would never admit; "" if none."""
        if all(limit.usd is None for limit in (self.budget.per_run, self.budget.per_day)):
            return ""
        return next((name for name, provider in self.providers.items() if not provider.prices), "")

    @contextmanager
    def open(self, run: Run, task: Task) -> Iterator[RunAccess]:
        """Open the run's access until the block ends; its counter continues from the totals in the ledger.

        The end of the block cuts responses in progress and counts their tokens: save the counter again after
        it. After an exception the folder stays, because the agent may go on and the next worker opens the
        folder again. Otherwise the agent has ended, and the folder is removed.
        """
        with self.ledger.read() as tx:
            counter = UsageCounter(
                run.id, usage.of_run(tx, run.id), usage.refused(tx, run.id), usage.reached(tx, run.id)
            )
        access = RunAccess(
            token=run_token(self.link_key, run.id),
            providers=self.providers,
            counter=counter,
            run_budget=self._run_budget(counter, run, task),
            packages=PackageProxy(self.hosts),
        )
        with open_socket(self.folder(run.id), access):
            yield access
        self.remove(run.id)

    def remove(self, run_id: str) -> None:
        """Remove the folder of a run whose agent has ended."""
        shutil.rmtree(self.folder(run_id), ignore_errors=True)

    def _run_budget(self, counter: UsageCounter, run: Run, task: Task) -> RunBudget:
        repository = (task.thread.path, run.repository_url)
        return RunBudget(self.budget, self.ledger, counter, repository=repository)
