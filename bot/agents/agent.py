"""What the bot must know of an agent: how it is started, what its output says, where its session lives.

Agents are command lines that differ in all of this, and in nothing else that matters here:
each has a file beside this one, and the table says which there are.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from bot.domain.lifecycle import Outcome
from bot.domain.task import Identity
from bot.gateway.endpoint import Outside

HOME = "/home/agent"


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """What one run of an agent is started with."""

    task: str
    run: str
    resume: bool
    agent: str  # its name in the settings
    model: str  # "" = the agent's own choice
    base: str
    branch: str
    identity: Identity
    session: str = ""  # to go on with, and its file is there; "" = a fresh one
    outside: Outside | None = None  # None: there is no way out


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentReport:
    """How the agent itself says it ended."""

    outcome: Outcome | None  # None: well
    text: str = ""  # its last words, or what went wrong
    question: str = ""
    limited_until: float | None = None  # seconds since the epoch: when a provider's limit ends
    session_cost: float | None = None  # US dollars for all runs of this session so far
    waits: bool = False  # it has not ended: it goes on when a command of its own has


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputLine:
    """What one line of an agent's output says."""

    text: str | None = None  # for people; None: nothing to them
    doing: str = ""  # the tool and what it is used on
    session: str = ""  # it begins to work in this one
    result: AgentReport | None = None


class Listener(Protocol):
    """Reads the output of one run from its start. A line that makes no sense is no error."""

    def hear(self, line: bytes) -> OutputLine: ...


class Agent(Protocol):
    """One configured agent."""

    @property
    def model(self) -> str:
        """What it works with where nobody names another; "" = its own choice."""

    @property
    def program(self) -> str:
        """What it is started by: a path, or a name that is looked for in the image's PATH."""

    @property
    def route(self) -> str:
        """The model route it cannot do without; "" = none."""

    @property
    def reports_end(self) -> bool:
        """Does each of its runs end with a result, if all is well?"""

    @property
    def resumes_after_limit(self) -> bool:
        """Does it go on by itself, once, when a provider's limit has ended?"""

    def argv(self, start: Start) -> list[str]:
        """The command line, with /task/prompt.md on its stdin."""

    def environment(self, start: Start) -> Mapping[str, str]:
        """What it needs besides what every agent gets. The only secret in it is the run's own token."""

    def session_file(self, session: str) -> str:
        """Where below its home the session is kept; "" = it keeps none.

        A pattern of the shell, because some put the date into the name of that file.
        """

    def listen(self) -> Listener: ...
