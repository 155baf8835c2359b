"""A clone and all other files that an export needs, for tests of exports."""

from pathlib import Path

import pytest

from bot.sandbox.engine.containers import Engine
from tests.sandbox.export_source import Site


@pytest.fixture
def site(tmp_path: Path, engine: Engine, image: str) -> Site:
    return Site(tmp_path, engine, image)
