"""Any command line as an agent.

It finds the prompt on its stdin, the checkout in its working folder and facts in
FORGEHAND_*; it may write result.json and question.md into /task/out, and its exit
status says whether it did well. Stdin is opened inside the container: a worker
that held it open could die, and would take the agent with it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bot.agents.agent import Listener, OutputLine, Start


@dataclass(frozen=True, slots=True)
class CommandLineAgent:
    """A command line, and the model it is told of."""

    command: Sequence[str]
    model: str = ""
    resumes_after_limit: bool = False
    route: str = ""
    reports_end: bool = False

    @property
    def program(self) -> str:
        return self.command[0]

    def argv(self, start: Start) -> list[str]:
        return with_prompt(self.command)

    def environment(self, start: Start) -> Mapping[str, str]:
        return {}

    def session_file(self, session: str) -> str:
        return ""

    def listen(self) -> Listener:
        return _Plain()


class _Plain:
    """Whatever it prints is for people."""

    def hear(self, line: bytes) -> OutputLine:
        return OutputLine(text=line.decode(errors="replace"))


def with_prompt(command: Sequence[str]) -> list[str]:
    """Return the command line with the prompt on its stdin."""
    return ["sh", "-c", 'exec "$@" </task/prompt.md', "sh", *command]
