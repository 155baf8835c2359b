"""The interface of an agent: how to start it, read its output, and find its session again.

Agents are programs with a command line. Each kind has a module beside this one and a row
in `registry.py`; no other module names a kind, except `app/cli/images.py`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from bot.domain.outcomes import Outcome
from bot.domain.task import Identity
from bot.gateway.endpoint import GatewayEndpoint

HOME = "/home/agent"


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """Everything an agent's command line and environment are made from, for one run."""

    task: str
    run: str
    resume: bool
    agent: str  # its name in the settings
    model: str  # "" = the agent chooses
    base: str
    branch: str
    identity: Identity
    session: str = ""  # session to continue, whose file exists; "" = a new one
    endpoint: GatewayEndpoint | None = None  # None: the sandbox has no way out


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentReport:
    """The agent's own report of how it ended."""

    outcome: Outcome | None  # None: success
    text: str = ""  # its last message, or the error
    question: str = ""
    limited_until: float | None = None  # seconds since the epoch: when a provider's rate limit ends
    session_cost: float | None = None  # US dollars for all runs of this session so far
    waits: bool = False  # it is still running: it continues when one of its own commands ends


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputLine:
    """The meaning of one line of an agent's output."""

    text: str | None = None  # for people to read; None: nothing for them
    doing: str = ""  # the tool and its target
    session: str = ""  # id of the session that the agent now works in
    report: AgentReport | None = None


class OutputParser(Protocol):
    """Parses the output of one run from its first line. It raises nothing for a line it cannot read."""

    def parse(self, line: bytes) -> OutputLine: ...


class Agent(Protocol):
    """One configured agent."""

    @property
    def model(self) -> str:
        """Model to use unless a command names one; "" = the agent chooses."""

    @property
    def program(self) -> str:
        """Program that starts it: a path, or a name to look up in the image's PATH."""

    @property
    def provider(self) -> str:
        """Name of the provider of models that it requires; "" = none."""

    @property
    def reports_end(self) -> bool:
        """Report whether every successful run of it ends with an `AgentReport`."""

    @property
    def resumes_after_limit(self) -> bool:
        """Report whether it continues by itself, once, after a provider's rate limit has ended."""

    def argv(self, start: Start) -> list[str]:
        """Return the command line, which reads /task/prompt.md on its stdin."""

    def environment(self, start: Start) -> Mapping[str, str]:
        """Return the variables it needs beside those of every agent. The run's token is the only secret."""

    def session_file(self, session: str) -> str:
        """Return a shell pattern for the path of the session's file below its home; "" if it has none.

        It is a pattern because some agents put the date into the name of that file.
        """

    def output_parser(self) -> OutputParser:
        """Return a new parser for the output of one run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownProvider:
    """A provider of models whose settings are known: `[models.<name>]` needs only a key."""

    name: str
    url: str
    auth: str  # header for the key, a value of gateway.providers.Auth
    paths: Sequence[str]  # patterns of the paths that may be requested


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentKind:
    """A kind of agents: a row of the registry."""

    create: Callable[[Sequence[str], str, bool], Agent]  # from command, model and resumes_after_limit
    needs_command: bool = False  # the settings must give a command: the kind has none of its own
    provider: KnownProvider | None = None
    # Files and folders whose content this kind obeys, as patterns of .gitignore. For every kind
    # they are protected paths. In a run on a change, the agent sees those of the default branch; on a change
    # from a fork, those of the target branch.
    instruction_files: Sequence[str] = ()
    version_argument: str = ""  # build argument of agent.Dockerfile for the version in the image
