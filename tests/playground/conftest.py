from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.playground_client import Playground


@pytest.fixture
def playground(tmp_path: Path) -> Iterator[Playground]:
    with Playground(tmp_path / "playground") as running:
        yield running
