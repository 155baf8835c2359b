"""The agents there are, by the word that stands in `kind`."""

from collections.abc import Callable, Sequence

from bot.agents.agent import Agent
from bot.agents.claude import Claude
from bot.agents.command_line import CommandLineAgent

# (command line, model, does it go on by itself after a provider's limit?) -> the agent
KINDS: dict[str, Callable[[Sequence[str], str, bool], Agent]] = {
    "command": CommandLineAgent,
    "claude": Claude,
}
