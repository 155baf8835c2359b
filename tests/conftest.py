"""What every test may ask for: a ledger on either database, Redis, and nothing shared with another test."""

import shutil
import signal
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest

from bot.store.ledger import Ledger, open_ledger
from tests.support.images import agent_is_here
from tests.support.services import Postgres, running_postgres, running_redis


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--long", action="store_true", help="also what takes longer than an ordinary run should")
    parser.addoption("--agents", action="store_true", help="also all that a real agent takes part in")


def pytest_configure() -> None:
    # A shell that starts us in the background has us ignore Ctrl-C, and what we start would inherit it.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    left_out = [item for item in items if not _is_asked_for(config, item)]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]


def _is_asked_for(config: pytest.Config, item: pytest.Item) -> bool:
    long, agents = config.getoption("--long"), config.getoption("--agents")
    if item.get_closest_marker("agents"):
        is_long = item.get_closest_marker("long") is not None
        return agents or ((long or not is_long) and agent_is_here())
    return long or item.get_closest_marker("long") is None


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what journeys measured. Of several processes the one that prints reads this file alone."""
    reports = [report for reports in terminalreporter.stats.values() for report in reports]
    for report in reports:
        for name, value in getattr(report, "user_properties", []):
            if name == "figure" and getattr(report, "when", "") == "call":
                terminalreporter.write_line(f"{report.nodeid}: {value}")


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    with running_postgres() as cluster:
        yield cluster


@pytest.fixture
def postgres_url(postgres: Postgres) -> Iterator[Callable[[], str]]:
    """Each call gives the URL of a fresh database with the ledger's tables."""
    made: list[str] = []

    def make() -> str:
        made.append(postgres.migrated())
        return made[-1]

    yield make
    for url in made:
        postgres.give_back(url)


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("template") / "ledger.db"
    open_ledger(f"sqlite:///{path}").close()
    return path


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    shutil.copy(sqlite_template, tmp_path / "ledger.db")
    return f"sqlite:///{tmp_path / 'ledger.db'}"


@pytest.fixture(params=["sqlite", "postgresql"])
def ledger_url(request: pytest.FixtureRequest) -> str:
    """The URL of an empty ledger; the test runs once on each database."""
    if request.param == "sqlite":
        return str(request.getfixturevalue("sqlite_url"))
    make: Callable[[], str] = request.getfixturevalue("postgres_url")
    return make()


@pytest.fixture
def ledger(ledger_url: str) -> Iterator[Ledger]:
    """An empty ledger; the test runs once on each database."""
    opened = open_ledger(ledger_url)
    yield opened
    opened.close()


@pytest.fixture
def sqlite_ledger(sqlite_url: str) -> Iterator[Ledger]:
    """An empty ledger, for tests of what does not depend on the database."""
    opened = open_ledger(sqlite_url)
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def redis_server() -> Iterator[tuple[str, "count[int]"]]:
    with running_redis() as server:
        yield server.url, count()


@pytest.fixture
def redis_url(redis_server: tuple[str, "count[int]"]) -> str:
    """A database of its own on the session's Redis: FLUSHDB there hurts no other test."""
    url, numbers = redis_server
    return f"{url}/{next(numbers)}"
