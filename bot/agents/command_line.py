"""Any command line as an agent.

The program reads the prompt on its stdin and finds the checkout in its working folder
and facts about the run in FORGEHAND_*. It may write result.json and question.md into
/task/out. Exit status 0 means success. A shell inside the container opens the prompt as
stdin: if the worker held stdin open and died, the agent would die with it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bot.agents.agent import AgentKind, OutputLine, OutputParser, Start


@dataclass(frozen=True, slots=True)
class CommandLineAgent:
    """A command line, and the model that FORGEHAND_MODEL names to it."""

    command: Sequence[str]
    model: str = ""
    resumes_after_limit: bool = False
    provider: str = ""
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

    def output_parser(self) -> OutputParser:
        return _PlainText()


class _PlainText:
    """A parser that shows every line to people as it is."""

    def parse(self, line: bytes) -> OutputLine:
        return OutputLine(text=line.decode(errors="replace"))


def with_prompt(command: Sequence[str]) -> list[str]:
    """Return the command line with the prompt on its stdin."""
    return ["sh", "-c", 'exec "$@" </task/prompt.md', "sh", *command]


KIND = AgentKind(
    create=CommandLineAgent,
    needs_command=True,
    # Those of agents that have no kind of their own.
    instruction_files=(
        "AGENT.md",
        "AGENTS.md",
        "AGENTS.override.md",
        "GEMINI.md",
        "copilot-*.md",
        ".github/instructions/",
        ".github/prompts/",
        ".github/chatmodes/",
        ".github/agents/",
        ".agents/",
        ".codex/",
        ".gemini/",
        ".opencode/",
        "opencode.json*",
        ".cursor/",
        ".cursorrules",
        ".windsurf/",
        ".windsurfrules",
        ".clinerules*",
        ".clinerules/",
        ".roo/",
        ".continue/",
        ".aider*",
    ),
)
