from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.playground_github import Playground
from tests.support.playground_gitlab import GitLabPlayground


@pytest.fixture
def playground(tmp_path: Path) -> Iterator[Playground]:
    with Playground(tmp_path / "playground") as running:
        yield running


@pytest.fixture
def gitlab_side(tmp_path: Path) -> Iterator[GitLabPlayground]:
    with GitLabPlayground(tmp_path / "playground") as running:
        yield running
