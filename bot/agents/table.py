"""The agents there are, by the word that stands in `kind`."""

from collections.abc import Callable, Sequence

from bot.agents.agent import Agent
from bot.agents.command import Command

# (command line, model) -> the agent
KINDS: dict[str, Callable[[Sequence[str], str], Agent]] = {"command": Command}
