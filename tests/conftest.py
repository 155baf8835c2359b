"""What every test may ask for: a ledger on either database, Redis, and nothing shared with another test."""

import gc
import os
import shutil
import signal
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from bot.store.ledger import Ledger, open_ledger
from tests.support.images import agent_is_here
from tests.support.services import Postgres, running_postgres, running_redis
from tests.support.started import SERVERS as SERVER_PROGRAMS
from tests.support.started import Watch

# Under both a test may be slow for no fault of its own: the machine does other things as well.
settings.register_profile("forgehand", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("forgehand")

# A test that has one of these waits for a container or a process; the second set are servers of the session.
WAITS = {"desk", "embedded", "engine", "full", "image", "shop", "workshop"}
SERVERS = {"postgres", "postgres_url", "redis_server", "redis_url"}
# For tests that are marked `alike`.
SECOND = {"forge": "gitlab", "which": "gitlab", "either": "embedded", "ledger_url": "postgresql"}
MEMORY = 4 << 30  # bytes that tests may need there
LEFT_OUT = pytest.StashKey[Counter[str]]()
WATCH = Watch()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--long", action="store_true", help="also what takes longer than an ordinary run should")
    parser.addoption("--agents", action="store_true", help="also all that a real agent takes part in")
    parser.addoption("--quick", action="store_true", help="only what starts no container and no process")
    parser.addoption("--busy", action="store_true", help="the machine is busy: no promised time is held to")
    parser.addoption("--counts", type=Path, help="a file for the line of counts at the end")


def pytest_configure(config: pytest.Config) -> None:
    # A shell that starts us in the background has us ignore Ctrl-C, and what we start would inherit it.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    _stay_in_memory()
    WATCH.refuses = config.getoption("--quick")
    config.stash[LEFT_OUT] = Counter()


def _stay_in_memory() -> None:
    """Have temporary files where a flush to the disk costs nothing: each commit of SQLite waits for one."""
    memory = Path("/dev/shm")
    if "TMPDIR" not in os.environ and memory.is_dir() and shutil.disk_usage(memory).free >= MEMORY:
        os.environ["TMPDIR"] = str(memory)
        tempfile.tempdir = None


def pytest_itemcollected(item: pytest.Item) -> None:
    """Add the marks that follow from others and from fixtures; `-m` goes by these as well."""
    if item.get_closest_marker("alike") and _is_second(item):
        item.add_marker(pytest.mark.long)
    fixtures = set(getattr(item, "fixturenames", ()))
    if fixtures & WAITS:
        item.add_marker(pytest.mark.waits)
    if fixtures & SERVERS:
        item.add_marker(pytest.mark.servers)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Have the garbage collector leave out what is there to stay.

    It would look through all modules and items again and again: a sixth of the time of quick tests.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.hookimpl(trylast=True)  # other folders may add marks first
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    left_out = {item: option for item in items if (option := _left_to(config, item))}
    config.stash[LEFT_OUT].update(left_out.values())
    config.hook.pytest_deselected(items=list(left_out))
    items[:] = [item for item in items if item not in left_out]


def _is_second(item: pytest.Item) -> bool:
    """Is it on the second forge, on the second database, or in the second kind of world?"""
    chosen = getattr(item, "callspec", None)
    return chosen is not None and any(chosen.params.get(name) == value for name, value in SECOND.items())


def _left_to(config: pytest.Config, item: pytest.Item) -> str:
    """The option that this test is left to; "" if it takes part in this run."""
    marks = {mark.name for mark in item.iter_markers()}
    long, agents = config.getoption("--long"), config.getoption("--agents")
    if config.getoption("--quick"):
        return "ordinary" if marks & {"agents", "long", "servers", "waits"} else ""
    if "agents" in marks:
        return "" if agents or ((long or "long" not in marks) and agent_is_here()) else "--agents"
    return "" if long or "long" not in marks else "--long"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Iterator[None]:
    with WATCH.test() as started:
        yield
    _refuse_unmarked(item, started)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    with WATCH.test() as started:
        yield
    _refuse_unmarked(item, started)


def _refuse_unmarked(item: pytest.Item, started: set[str]) -> None:
    """Fail a test that waits for what it starts and does not say so: it would not be among the busy ones."""
    marks = {mark.name for mark in item.iter_markers()}
    unmarked = started - (SERVER_PROGRAMS if "servers" in marks else set())
    if unmarked and "waits" not in marks:
        pytest.fail(f"It starts {', '.join(sorted(unmarked))}: mark it `waits`.", pytrace=False)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Each process of several collects all, and leaves out the same."""
    if left_out := getattr(node, "workeroutput", {}).get("left_out"):
        counts: Counter[str] = Counter(left_out)
        node.config.stash[LEFT_OUT] = counts


def pytest_sessionfinish(session: pytest.Session) -> None:
    if hasattr(session.config, "workeroutput"):
        left_out = session.config.stash[LEFT_OUT]
        session.config.workeroutput["left_out"] = dict(left_out)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    config, stats = terminalreporter.config, terminalreporter.stats
    _print_figures(terminalreporter)
    words = [f"{len(stats.get('passed', [])):,} passed"]
    words.append(f"{len(stats.get('failed', [])) + len(stats.get('error', [])):,} failed")
    words += [f"{count:,} left to {option}" for option, count in sorted(config.stash[LEFT_OUT].items())]
    seed = config.getoption("randomly_seed", None)
    words += [f"seed {seed}"] if seed is not None else []
    if path := config.getoption("--counts"):
        path.write_text(", ".join(words))
    terminalreporter.write_line(", ".join(words))


def _print_figures(terminalreporter: pytest.TerminalReporter) -> None:
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


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.servers)])
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
