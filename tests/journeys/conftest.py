"""The worlds journeys happen in: on either forge, with PostgreSQL and Redis or on the embedded defaults."""

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
        item.add_marker(pytest.mark.waits)  # for the bot, which has a process of its own
        chosen = getattr(item, "callspec", None)
        if chosen is None or chosen.params.get("forge") != "gitlab":
            continue
        # Of the four of both forges and both worlds an ordinary run takes three.
        if chosen.params.get("either") == "embedded":
            item.add_marker(pytest.mark.long)


@pytest.fixture(params=list(PLAYGROUNDS))
def forge(request: pytest.FixtureRequest) -> str:
    """Once on each forge."""
    return str(request.param)


@pytest.fixture
def playground(forge: str, tmp_path: Path) -> Iterator[AnyPlayground]:
    with PLAYGROUNDS[forge](tmp_path / "forge") as running:
        yield running


@pytest.fixture
def full(request: pytest.FixtureRequest, tmp_path: Path, playground: AnyPlayground) -> Iterator[World]:
    """The bot on PostgreSQL and Redis, not yet started."""
    store_url, redis_url = request.getfixturevalue("postgres_url")(), request.getfixturevalue("redis_url")
    with ExitStack() as stack:
        ledger = open_ledger(store_url)
        stack.callback(ledger.close)
        yield stack.enter_context(
            world(tmp_path, ledger=ledger, store_url=store_url, redis_url=redis_url, playground=playground)
        )


@pytest.fixture
def embedded(tmp_path: Path, playground: AnyPlayground) -> Iterator[World]:
    """The bot in one process on SQLite, without Redis, not yet started."""
    store_url = f"sqlite:///{tmp_path / 'data' / 'ledger.db'}"
    with ExitStack() as stack:
        ledger = open_ledger(store_url)
        stack.callback(ledger.close)
        yield stack.enter_context(world(tmp_path, ledger=ledger, store_url=store_url, playground=playground))


@pytest.fixture(params=["full", "embedded"])
def either(request: pytest.FixtureRequest, playground: AnyPlayground) -> World:
    """Once in each of the two worlds. Both have this playground, which has to be known before."""
    found: World = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def figures(request: pytest.FixtureRequest, record_property: Callable[[str, object], None]) -> Figures:
    """The real figures are printed at the end of the test session."""
    is_busy = request.config.getoption("--busy")

    def figure(what: str, seconds: float, *, promised: float) -> None:
        record_property("figure", f"{what}: {seconds:.2f} s (promised: {promised:g} s)")
        assert is_busy or seconds < 3 * promised, f"{what}: {seconds:.2f} s"

    return figure
