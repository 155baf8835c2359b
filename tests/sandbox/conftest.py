"""A real engine, and the small image, for everything that runs in containers."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.sandbox.engine.containers import Engine
from tests.support.images import small

UID = 10001


@pytest.fixture(scope="session")
def image() -> str:
    """An image to run tools and agents in."""
    return small()


@pytest.fixture
def engine() -> Iterator[Engine]:
    """An engine under an instance label of this test's own; what the test leaves behind is removed."""
    engine = Engine(url="", instance=f"test-{uuid.uuid4().hex[:12]}", uid=UID)
    yield engine
    for container in engine.ours():
        engine.remove(container.name)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of the host that the agent's uid may write to."""
    folder = tmp_path / "folder"
    folder.mkdir()
    folder.chmod(0o777)  # mkdir's own mode is masked
    return folder
