"""Gates of runs in a ledger of their own, and a provider of models."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bot.gateway.budget import Budget, Purse
from bot.gateway.opening import Gateway
from bot.gateway.package_proxy import Net, Packages
from bot.gateway.run_access import Gate
from bot.gateway.socket_server import open_gate
from bot.gateway.usage_counter import Counts
from bot.store import tasks
from bot.store.ledger import Ledger
from tests.gateway.open_gateway import TOKEN, OpenWay, Way
from tests.gateway.provider import Provider, running
from tests.gateway.sandbox_client import LINK_KEY, Asker, routes
from tests.support.rows import add_run, claimed


@pytest.fixture
def open_way(sqlite_ledger: Ledger, tmp_path: Path) -> OpenWay:
    """Of a run that may reach pip.test and what is below example.org."""
    with sqlite_ledger.write() as tx:
        run = add_run(tx)

    @contextmanager
    def opened(net: Net) -> Iterator[Way]:
        counts = Counts(run.id)
        purse = Purse(Budget(), sqlite_ledger, counts, repository=("acme/r1", run.repository_url))
        packages = Packages(["pip.test", "*.example.org"], net)
        gate = Gate(token=TOKEN, routes={}, counts=counts, purse=purse, packages=packages)
        with open_gate(tmp_path / "gate", gate):
            yield Way(tmp_path / "gate", counts, sqlite_ledger)

    return opened


@pytest.fixture
def provider() -> Iterator[Provider]:
    with running() as provider:
        yield provider


@pytest.fixture
def another(sqlite_ledger: Ledger, tmp_path: Path, provider: Provider) -> Callable[[], Asker]:
    """Make one more run with its way out."""

    def make() -> Asker:
        with sqlite_ledger.write() as tx:
            run = claimed(tx)
            task = tasks.get(tx, run.task)
        gateway = Gateway(
            data=tmp_path, ledger=sqlite_ledger, link_key=LINK_KEY, routes=routes(provider), budget=Budget()
        )
        return Asker(gateway=gateway, run=run, task=task, provider=provider)

    return make


@pytest.fixture
def asker(another: Callable[[], Asker]) -> Asker:
    return another()
