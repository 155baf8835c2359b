"""Fixtures for tests of runs: a workshop, short intervals, parts that hang or are killed, and limits of time.

The images take longer to build than most tests take: each is built once in a session.
"""

import os
import shutil
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bot.domain.error_policy import Backoff
from bot.runs import agent_output, leased_run
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


@pytest.fixture
def killing_each(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put a `git` first in PATH that is killed on its first start with any arguments.

    Return the file that lists the arguments of those that were killed. Parts of names that differ from
    attempt to attempt are left out.
    """
    # One step starts several processes, and each of them is killed once.
    monkeypatch.setattr(leased_run, "PHASE", Backoff(pauses=(0.01,), tries=40))
    killed, program = tmp_path / "killed", tmp_path / "programs" / "git"
    program.parent.mkdir()
    killed.touch()
    program.write_text(
        f"""#!/bin/sh
arguments=$(echo "$*" | sed 's/[0-9a-f]\\{{32\\}}//g')
if ! grep -qxFe "$arguments" {killed}; then
    echo "$arguments" >>{killed}
    kill -9 $$
fi
exec {shutil.which("git")} "$@"
"""
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    return killed
