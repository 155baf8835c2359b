"""What tests of runs share: images that take longer to build than most tests to run."""

from collections.abc import Iterator

import pytest

from bot.runs import agent_output
from tests.support.hanging_tools import hanging_image


@pytest.fixture(autouse=True)
def _followed_closely(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have an agent's output in the ledger, and an interrupt noticed, at once: most tests wait for both."""
    monkeypatch.setattr(agent_output, "_FLUSH", 0.1)
    monkeypatch.setattr(agent_output, "_LOOK", 0.1)


@pytest.fixture(scope="session")
def hanging_tools() -> Iterator[str]:
    """Build the tools image in which exports and removals hang, once for all tests that only read it."""
    with hanging_image() as image:
        yield image
