"""The kinds of agents, by the value of `kind` in the settings."""

from bot.agents import claude, command_line
from bot.agents.agent import AgentKind, KnownProvider

KINDS: dict[str, AgentKind] = {
    "command": command_line.KIND,
    "claude": claude.KIND,
}


def instruction_files() -> tuple[str, ...]:
    """Return the instruction files of all kinds: a repository may be used with other agents, too."""
    return tuple(dict.fromkeys(file for kind in KINDS.values() for file in kind.instruction_files))


def known_providers() -> dict[str, KnownProvider]:
    """Return the providers that the kinds declare, by name."""
    return {kind.provider.name: kind.provider for kind in KINDS.values() if kind.provider}


def version_arguments() -> dict[str, str]:
    """Return the build argument for the version of each kind that the image installs, by kind."""
    return {name: kind.version_argument for name, kind in KINDS.items() if kind.version_argument}
