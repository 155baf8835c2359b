"""The worlds journeys happen in: with PostgreSQL and Redis, or on the embedded defaults."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from bot.store.ledger import open_ledger
from tests.journeys.world import Figures, World, world
from tests.playground_client import Playground


@pytest.fixture
def playground(tmp_path: Path) -> Iterator[Playground]:
    with Playground(tmp_path / "forge") as running:
        yield running


@pytest.fixture
def full(request: pytest.FixtureRequest, tmp_path: Path, playground: Playground) -> Iterator[World]:
    """The bot on PostgreSQL and Redis, not yet started."""
    store_url, redis_url = request.getfixturevalue("postgres_url")(), request.getfixturevalue("redis_url")
    with ExitStack() as stack:
        ledger = open_ledger(store_url)
        stack.callback(ledger.close)
        yield stack.enter_context(
            world(tmp_path, ledger=ledger, store_url=store_url, redis_url=redis_url, playground=playground)
        )


@pytest.fixture
def embedded(tmp_path: Path, playground: Playground) -> Iterator[World]:
    """The bot in one process on SQLite, without Redis, not yet started."""
    store_url = f"sqlite:///{tmp_path / 'data' / 'ledger.db'}"
    with ExitStack() as stack:
        ledger = open_ledger(store_url)
        stack.callback(ledger.close)
        yield stack.enter_context(world(tmp_path, ledger=ledger, store_url=store_url, playground=playground))


@pytest.fixture(params=["full", "embedded"])
def either(request: pytest.FixtureRequest) -> World:
    """Once in each of the two worlds."""
    found: World = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def figures(record_property: Callable[[str, object], None]) -> Figures:
    """The real figures are printed at the end of the test session."""

    def figure(what: str, seconds: float, *, promised: float) -> None:
        record_property("figure", f"{what}: {seconds:.2f} s (promised: {promised:g} s)")
        assert seconds < 3 * promised, f"{what}: {seconds:.2f} s"

    return figure
