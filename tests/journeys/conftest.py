"""The worlds journeys happen in: on either forge, with PostgreSQL and Redis or on the embedded defaults."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from bot.store.ledger import open_ledger
from tests.journeys.world import Figures, World, world
from tests.support.playground_gitlab import PLAYGROUNDS, AnyPlayground

# Where forges hardly differ, an ordinary run asks GitHub alone, and a long one GitLab too.
ALIKE = {
    "test_03_push_fails",
    "test_04_cancel",
    "test_07_nothing_and_leftovers",
    "test_08_no_credential_anywhere",
    "test_09_label_held_upstream",
    "test_11_messages_and_sweep",
    "test_ended_early",
    "test_gone_on_with",
    "test_missed_label",
    "test_retry_diff_keep_discard",
    "test_threads_that_go_away",
    "test_what_may_be_said",
}


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        chosen = getattr(item, "callspec", None)
        if chosen is None or chosen.params.get("forge") != "gitlab":
            continue
        # Of the four of both forges and both worlds an ordinary run takes three.
        if item.path.stem in ALIKE or chosen.params.get("either") == "embedded":
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
def figures(record_property: Callable[[str, object], None]) -> Figures:
    """The real figures are printed at the end of the test session."""

    def figure(what: str, seconds: float, *, promised: float) -> None:
        record_property("figure", f"{what}: {seconds:.2f} s (promised: {promised:g} s)")
        assert seconds < 3 * promised, f"{what}: {seconds:.2f} s"

    return figure
