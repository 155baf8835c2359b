"""Fixtures for tests of runs: short intervals, and images that take longer to build than most tests take."""

from collections.abc import Iterator

import pytest

from bot.runs import agent_output
from tests.support.hanging_tools import hanging_image


@pytest.fixture(autouse=True)
def _short_intervals(monkeypatch: pytest.MonkeyPatch) -> None:
    """Record an agent's output, and notice an interrupt, at once: most tests wait for both."""
    monkeypatch.setattr(agent_output, "_FLUSH", 0.1)
    monkeypatch.setattr(agent_output, "_LOOK", 0.1)


@pytest.fixture(scope="session")
def hanging_tools() -> Iterator[str]:
    """Build the tools image in which exports and removals hang, once for all tests that only read it."""
    with hanging_image() as image:
        yield image
