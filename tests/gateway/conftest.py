"""A gate of a run in a ledger of its own."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bot.gateway.budget import Budget, Purse
from bot.gateway.counts import Counts
from bot.gateway.gate import Gate
from bot.gateway.listening import open_gate
from bot.gateway.packages import Net, Packages
from bot.store.ledger import Ledger
from tests.fill import add_run
from tests.gateway.way import TOKEN, OpenWay, Way


@pytest.fixture
def open_way(sqlite_ledger: Ledger, tmp_path: Path) -> OpenWay:
    """Of a run that may reach pip.test and what is below example.org."""
    with sqlite_ledger.write() as tx:
        run = add_run(tx)

    @contextmanager
    def opened(net: Net) -> Iterator[Way]:
        counts = Counts(run.id, [], [])
        purse = Purse(Budget(), sqlite_ledger, counts, repository=("acme/r1", run.repository_url))
        packages = Packages(["pip.test", "*.example.org"], net)
        gate = Gate(token=TOKEN, routes={}, counts=counts, purse=purse, packages=packages)
        with open_gate(tmp_path / "gate", gate):
            yield Way(tmp_path / "gate", counts, sqlite_ledger)

    return opened
