import pytest


@pytest.fixture
def forge_name() -> str:
    return "gitlab"
