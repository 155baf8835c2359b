"""Worlds for the journeys: each forge, with PostgreSQL and Redis or with the embedded defaults."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from bot.store.ledger import open_ledger
from tests.journeys.world import Figures, World, world
from tests.support.playground_gitlab import PLAYGROUNDS, AnyPlayground


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent not in item.path.parents:
            continue
        item.add_marker(pytest.mark.waits)  # the bot runs in its own processes
        chosen = getattr(item, "callspec", None)
        if chosen is None or chosen.params.get("forge") != "gitlab":
            continue
        # Each journey exists on both forges and in both worlds. An ordinary test run takes three of the four.
        if chosen.params.get("either") == "embedded":
            item.add_marker(pytest.mark.long)


@pytest.fixture(params=list(PLAYGROUNDS))
def forge(request: pytest.FixtureRequest) -> str:
    """Run the journey once on each forge."""
    return str(request.param)


@pytest.fixture
def playground(forge: str, tmp_path: Path) -> Iterator[AnyPlayground]:
    with PLAYGROUNDS[forge](tmp_path / "forge") as running:
        yield running


@pytest.fixture
def full(request: pytest.FixtureRequest, tmp_path: Path, playground: AnyPlayground) -> Iterator[World]:
    """Make a world with the bot on PostgreSQL and Redis. The bot is not started."""
    store_url, redis_url = request.getfixturevalue("postgres_url")(), request.getfixturevalue("redis_url")
    with ExitStack() as stack:
        ledger = open_ledger(store_url)
        stack.callback(ledger.close)
        yield stack.enter_context(
            world(tmp_path, ledger=ledger, store_url=store_url, redis_url=redis_url, playground=playground)
        )


@pytest.fixture
def embedded(tmp_path: Path, playground: AnyPlayground) -> Iterator[World]:
    """Make a world with the bot in one process on SQLite, without Redis. The bot is not started."""
    store_url = f"sqlite:///{tmp_path / 'data' / 'ledger.db'}"
    with ExitStack() as stack:
        ledger = open_ledger(store_url)
        stack.callback(ledger.close)
        yield stack.enter_context(world(tmp_path, ledger=ledger, store_url=store_url, playground=playground))


@pytest.fixture(params=["full", "embedded"])
def either(request: pytest.FixtureRequest, playground: AnyPlayground) -> World:
    """Run the journey once in each of the two worlds.

    Both worlds use this playground, which must exist before them.
    """
    found: World = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def figures(request: pytest.FixtureRequest, record_property: Callable[[str, object], None]) -> Figures:
    """Print the measured figures at the end of the test session."""
    is_busy = request.config.getoption("--busy")

    def figure(what: str, seconds: float, *, promised: float) -> None:
        record_property("figure", f"{what}: {seconds:.2f} s (promised: {promised:g} s)")
        assert is_busy or seconds < 3 * promised, f"{what}: {seconds:.2f} s"

    return figure
