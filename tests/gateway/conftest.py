"""Open accesses of runs, each with its own ledger, and a provider of models."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bot.gateway.budget import Budget, RunBudget
from bot.gateway.package_proxy import Connector, PackageProxy
from bot.gateway.run_access import RunAccess
from bot.gateway.run_gateway import Gateway
from bot.gateway.socket_server import open_socket
from bot.gateway.usage_counter import UsageCounter
from bot.store import tasks
from bot.store.data_folder import DataFolder
from bot.store.ledger import Ledger
from tests.gateway.open_gateway import TOKEN, OpenAccess, OpenAccessFactory
from tests.gateway.provider import ScriptedProvider, running
from tests.gateway.sandbox_client import LINK_KEY, Asker, providers_at
from tests.support.rows import add_run, claimed


@pytest.fixture
def open_access(sqlite_ledger: Ledger, tmp_path: Path) -> OpenAccessFactory:
    """Return a function that opens the access of a run to pip.test and all hosts below example.org."""
    with sqlite_ledger.write() as tx:
        run = add_run(tx)

    @contextmanager
    def opened(net: Connector) -> Iterator[OpenAccess]:
        counts = UsageCounter(run.id)
        run_budget = RunBudget(Budget(), sqlite_ledger, counts, repository=("acme/r1", run.repository_url))
        packages = PackageProxy(["pip.test", "*.example.org"], net)
        access = RunAccess(
            token=TOKEN, providers={}, counter=counts, run_budget=run_budget, packages=packages
        )
        with open_socket(tmp_path / "gate", access):
            yield OpenAccess(tmp_path / "gate", counts, sqlite_ledger)

    return opened


@pytest.fixture
def provider() -> Iterator[ScriptedProvider]:
    with running() as provider:
        yield provider


@pytest.fixture
def another_asker(sqlite_ledger: Ledger, tmp_path: Path, provider: ScriptedProvider) -> Callable[[], Asker]:
    """Return a function that makes a further run with its gateway."""

    def make() -> Asker:
        with sqlite_ledger.write() as tx:
            run = claimed(tx)
            task = tasks.get(tx, run.task)
        gateway = Gateway(
            data=DataFolder(tmp_path),
            ledger=sqlite_ledger,
            link_key=LINK_KEY,
            providers=providers_at(provider),
            budget=Budget(),
        )
        return Asker(gateway=gateway, run=run, task=task, provider=provider)

    return make


@pytest.fixture
def asker(another_asker: Callable[[], Asker]) -> Asker:
    return another_asker()
