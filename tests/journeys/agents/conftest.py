"""A world whose agent is the real Claude Code in the real image; its models say what a test tells them."""

from collections.abc import Iterator

import pytest

from tests.journeys.agents.talk import KEY, Talk
from tests.journeys.world import World
from tests.support.model_provider import ModelServer


@pytest.fixture
def forge() -> str:
    """What an agent does is the same on each: one will do."""
    return "github"


@pytest.fixture
def talk(embedded: World) -> Iterator[Talk]:
    """The bot is not yet started."""
    embedded.settings["sandbox"] |= {"image": "forgehand-agent", "memory": "2g"}
    embedded.settings["agents"] = {"claude": {"kind": "claude"}}
    with ModelServer.running() as models:
        embedded.settings["models"] = {"anthropic": {"url": models.url, "key": KEY, "models": ["claude-*"]}}
        yield Talk(embedded, models)
