"""Fixtures for tests of runs: a workshop, short intervals, parts that hang, and a limit for a cancel.

The images take longer to build than most tests take: each is built once in a session.
"""

import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bot.runs import agent_output
from tests.runs.hanging_steps import SOON
from tests.support.cli_sandbox import LONG
from tests.support.hanging import git_hangs
from tests.support.hanging_tools import hanging_image
from tests.support.worker_bench import Workshop, in_a_workshop


@pytest.fixture(autouse=True)
def _short_intervals(monkeypatch: pytest.MonkeyPatch) -> None:
    """Record an agent's output, and notice an interrupt, at once: most tests wait for both."""
    monkeypatch.setattr(agent_output, "_FLUSH", 0.1)
    monkeypatch.setattr(agent_output, "_LOOK", 0.1)


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Workshop]:
    with in_a_workshop(tmp_path) as shop:
        yield shop


@pytest.fixture(scope="session")
def hanging_tools() -> Iterator[str]:
    """Build the tools image in which exports and removals hang, once for all tests that only read it."""
    with hanging_image() as image:
        yield image


@pytest.fixture(scope="session")
def hangs_in_prepare() -> Iterator[str]:
    with git_hangs("prepare") as image:
        yield image


@pytest.fixture(scope="session")
def hangs_in_export() -> Iterator[str]:
    with git_hangs("export") as image:
        yield image


@pytest.fixture
def unresponsive() -> Iterator[socket.socket]:
    """A remote that accepts a connection and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(LONG)
        yield server


@pytest.fixture
def soon(record_property: Callable[[str, object], None]) -> Callable[[str, float], None]:
    """Record how many seconds a cancel took in this situation, and fail if that is too long."""

    def figure(where: str, seconds: float) -> None:
        record_property("figure", f"cancelled {where}: {seconds:.2f} s (promised: 5 s)")
        assert seconds < SOON, where

    return figure
