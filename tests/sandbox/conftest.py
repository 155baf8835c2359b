"""A real engine, the small image and a task's workspace for tests that run containers."""

import os
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.sandbox.engine.containers import Engine
from tests.sandbox.task_workspace import TASK, Site
from tests.support.images import small

UID = 10001


@pytest.fixture(scope="session")
def image() -> str:
    """Build an image in which to run tools and agents."""
    return small()


@pytest.fixture
def engine() -> Iterator[Engine]:
    """Connect to an engine with an instance label of this test; remove its containers afterwards."""
    engine = Engine(url="", instance=f"test-{uuid.uuid4().hex[:12]}", uid=UID)
    yield engine
    for container in engine.ours():
        engine.remove(container.name)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Create a folder on the host to which the agent's uid may write."""
    folder = tmp_path / "folder"
    folder.mkdir()
    folder.chmod(0o777)  # the umask applies to the mode of mkdir
    return folder


@pytest.fixture
def site(tmp_path: Path, engine: Engine, image: str) -> Iterator[Site]:
    """Create the folders of a task; tests of exports have another `site`."""
    site = Site(tmp_path / "data", engine, image)
    yield site
    if os.geteuid():
        site.places.remove(TASK)
    else:  # faster: without a container
        subprocess.run(["rm", "-rf", site.folder.parent], check=True)
