"""A world with the real Claude Code in the real image. Its models answer with text from the test."""

from collections.abc import Iterator

import pytest

from tests.journeys.agents.talk import KEY, Talk
from tests.journeys.world import World
from tests.support.model_provider import ModelServer


@pytest.fixture
def forge() -> str:
    """Use one forge: an agent behaves the same on both."""
    return "github"


@pytest.fixture
def talk(embedded: World) -> Iterator[Talk]:
    """Make a world with a model provider. The bot is not started."""
    embedded.settings["sandbox"] |= {"image": "forgehand-agent", "memory": "2g"}
    embedded.settings["agents"] = {"claude": {"kind": "claude"}}
    with ModelServer.running() as models:
        embedded.settings["models"] = {"anthropic": {"url": models.url, "key": KEY, "models": ["claude-*"]}}
        yield Talk(embedded, models)
