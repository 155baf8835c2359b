"""Claude Code, run without a person at the terminal: its command line, environment and session."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bot.agents.agent import AgentKind, KnownProvider, OutputParser, Start
from bot.agents.claude_stream import ClaudeStream, is_session
from bot.agents.command_line import with_prompt

_PROVIDER = KnownProvider(
    name="anthropic",
    url="https://api.anthropic.com",
    auth="x-api-key",
    paths=("/v1/messages", "/v1/messages/count_tokens"),
)


@dataclass(frozen=True, slots=True)
class Claude:
    """Claude Code. `command` is the program before its options; () = `claude`."""

    command: Sequence[str]
    model: str = ""
    resumes_after_limit: bool = False
    provider: str = _PROVIDER.name
    reports_end: bool = True

    @property
    def program(self) -> str:
        return self._command[0]

    @property
    def _command(self) -> Sequence[str]:
        return self.command or ("claude",)

    def argv(self, start: Start) -> list[str]:
        options = ["-p", "--output-format", "stream-json", "--verbose", "--dangerously-skip-permissions"]
        if start.model:
            options += ["--model", start.model]
        if start.session:
            options += ["--resume", start.session]
        return with_prompt([*self._command, *options])

    def environment(self, start: Start) -> Mapping[str, str]:
        always = {
            # Updates, telemetry, release notes: requests to other hosts, which a closed sandbox only delays.
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
            # Enough if a restart of the gateway cuts a stream; few enough to report a refused key soon.
            "CLAUDE_CODE_MAX_RETRIES": "3",
        }
        if start.endpoint is None:
            return always
        return {
            **always,
            "ANTHROPIC_BASE_URL": f"{start.endpoint.url}/{self.provider}",
            "ANTHROPIC_AUTH_TOKEN": start.endpoint.token,
        }

    def session_file(self, session: str) -> str:
        """Return the file in which Claude Code finds a session; its folder is named after the checkout."""
        return f".claude/projects/-workspace/{session}.jsonl" if is_session(session) else ""

    def output_parser(self) -> OutputParser:
        return ClaudeStream()


KIND = AgentKind(
    create=Claude,
    provider=_PROVIDER,
    instruction_files=("CLAUDE.md", "CLAUDE.local.md", ".claude/", ".mcp.json"),
    version_argument="CLAUDE_CODE",
)
