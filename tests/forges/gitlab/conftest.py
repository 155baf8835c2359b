import pytest


@pytest.fixture
def which() -> str:
    return "gitlab"
