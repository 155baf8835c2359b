"""Claude Code, run without a person at it.

It prints one JSON object a line. Its last one, `result`, is judged by `is_error` alone: `subtype` says
"success" of a refused key, too, and the exit status may say either. What is described here was seen of
version 2.1.330, by recorded streams in tests/agents/streams; its types are in `sdk-tools.d.ts` of the
npm package and at https://docs.claude.com/en/docs/claude-code/headless.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bot.agents.agent import AgentReport, Listener, OutputLine, Start
from bot.agents.command_line import with_prompt
from bot.domain.lifecycle import Outcome
from bot.gateway.endpoint import REFUSES
from bot.text.sanitize import visible

_ROUTE = "anthropic"
_SESSION = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_ASKS = "AskUserQuestion"
# What a tool is used on, by the names its input may have for that.
_TARGETS = ("file_path", "notebook_path", "command", "pattern", "path", "url", "query", "description")
_DOING = 200  # characters
_SHOWN = 600  # characters of what a tool answered, in
_LINES = 8  # lines at most
_VALUES = 200_000  # in one line: each takes fifty times the memory of the two bytes it may be written in
_WORDS = 20_000  # characters of its last words
_BUSY = frozenset({429, 529})  # a provider's limit, a provider overloaded
_UNKNOWN_KEY = frozenset({401, 403})
_LARGEST = 253_402_300_799  # the last second that has a date, in the year 9999; no cost is as large


@dataclass(frozen=True, slots=True)
class Claude:
    """`command` is what it is started by, before its options; () = `claude`."""

    command: Sequence[str]
    model: str = ""
    resumes_after_limit: bool = False
    route: str = _ROUTE
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
        said = {
            # Updates, telemetry, release notes: calls to others that a closed sandbox would only hold up.
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
            # Enough for a stream that a restart of the way out cut; a refused key is told within seconds.
            "CLAUDE_CODE_MAX_RETRIES": "3",
        }
        if start.outside is None:
            return said
        at = {
            "ANTHROPIC_BASE_URL": f"{start.outside.url}/{self.route}",
            "ANTHROPIC_AUTH_TOKEN": start.outside.token,
        }
        return {**said, **at}

    def session_file(self, session: str) -> str:
        """It is looked up by the working folder, whose name is written with dashes."""
        return f".claude/projects/-workspace/{session}.jsonl" if _SESSION.fullmatch(session) else ""

    def listen(self) -> Listener:
        return _Stream()


class _Stream:
    def __init__(self) -> None:
        self._question = ""
        self._limited_until: float | None = None
        self._busy = False  # do commands or agents of its own work in the background?

    def hear(self, line: bytes) -> OutputLine:
        said = _object(line)
        match said.get("type"):
            case "system":
                return self._system(said)
            case "assistant":
                return self._assistant(said)
            case "user":
                return OutputLine(text="\n".join(_answers(said)) or None)
            case "rate_limit_event":
                return self._limit(said)
            case "result":
                return self._result(said)
            case str():  # a kind of event that tells people nothing
                return OutputLine()
        return OutputLine(text=line.decode(errors="replace"))

    def _system(self, said: dict[str, Any]) -> OutputLine:
        if said.get("subtype") == "api_retry":
            why = f"{said.get('error_status')} {said.get('error')}"
            return OutputLine(text=f"The model's provider answered {why}; try {said.get('attempt')} failed.")
        if said.get("subtype") == "background_tasks_changed":
            self._busy = bool(_list(said.get("tasks")))
        if said.get("subtype") != "init":
            return OutputLine()
        return OutputLine(text=f"Model {_text(said, 'model')}", session=_session(said))

    def _assistant(self, said: dict[str, Any]) -> OutputLine:
        texts, doing = [], ""
        for block in _blocks(said):
            if block.get("type") == "text":
                texts.append(_text(block, "text"))
            elif block.get("type") == "tool_use":
                doing = _doing(block)
                texts.append(f"> {doing}")
                # Whoever asks nobody, and then goes on, has found the answer alone.
                self._question = _question(block.get("input")) if _text(block, "name") == _ASKS else ""
        return OutputLine(text="\n".join(texts) or None, doing=doing)

    def _limit(self, said: dict[str, Any]) -> OutputLine:
        info = _mapping(said.get("rate_limit_info"))
        if info.get("status") != "rejected":
            self._limited_until = None
            return OutputLine()
        self._limited_until = _number(info.get("resetsAt"))
        return OutputLine(text="The provider's limit is reached.")

    def _result(self, said: dict[str, Any]) -> OutputLine:
        cost = _number(said.get("total_cost_usd"))
        if said.get("is_error") is False:
            question = self._denied(said) or self._question
            words = _text(said, "result")[:_WORDS]
            told = AgentReport(
                outcome=None, text=words, question=question[:_WORDS], session_cost=cost, waits=self._busy
            )
            end = "It waits for what it runs in the background." if self._busy else "It says that it is done."
            return OutputLine(text=end, result=told)
        outcome, words = _failure(said, limited=self._limited_until is not None)
        until = self._limited_until if outcome is Outcome.RATE_LIMITED else None
        told = AgentReport(outcome=outcome, text=words[:_WORDS], limited_until=until, session_cost=cost)
        return OutputLine(text=f"It says that it failed: {words}", result=told)

    def _denied(self, said: dict[str, Any]) -> str:
        """A question that it was not let ask."""
        denials = _list(said.get("permission_denials"))
        asked = [_question(each.get("tool_input")) for each in denials if each.get("tool_name") == _ASKS]
        return asked[-1] if asked else ""


def _failure(said: dict[str, Any], *, limited: bool) -> tuple[Outcome, str]:
    errors = said.get("errors")
    listed = "; ".join(visible(str(error)) for error in errors) if isinstance(errors, list) else ""
    words = _text(said, "result") or listed or _text(said, "subtype").replace("_", " ")
    status = _number(said.get("api_error_status"))
    if limited or status in _BUSY:
        return Outcome.RATE_LIMITED, words
    if status in _UNKNOWN_KEY:
        _, ours, refused = words.partition(REFUSES)
        provider = f"The model's provider did not accept the key of this bot ({status:.0f})."
        words = f"The bot's gateway {refused}" if ours else f"{provider} The agent says: {words}"
    return Outcome.AGENT_FAILED, words


def _doing(block: dict[str, Any]) -> str:
    """The tool, and what it is used on: "Edit bot/runs/execute.py"."""
    given = _mapping(block.get("input"))
    target = next((_text(given, key) for key in _TARGETS if isinstance(given.get(key), str)), "")
    words = f"{_text(block, 'name')} {target.removeprefix('/workspace/')}".split()
    whole = " ".join(words)
    return whole if len(whole) <= _DOING else f"{whole[:_DOING]}…"


def _question(given: object) -> str:
    """The questions in the input of the tool that asks them, each with what may be chosen."""
    lines = []
    for asked in _list(_mapping(given).get("questions")):
        lines.append(_text(asked, "question"))
        options = _list(asked.get("options"))
        lines += [f"- {_text(option, 'label')}: {_text(option, 'description')}" for option in options]
    return "\n".join(lines)


def _answers(said: dict[str, Any]) -> Iterator[str]:
    """What tools answered, shortened: the whole of it is in the raw log."""
    for block in _blocks(said):
        if block.get("type") == "tool_result":
            content = block.get("content")
            parts = [_text(part, "text") for part in _list(content)]
            whole = content if isinstance(content, str) else "\n".join(parts)
            lines = whole[:_SHOWN].split("\n")
            yield from (f"  {line}" for line in lines[:_LINES])
            if len(whole) > _SHOWN or len(lines) > _LINES:
                yield f"  … ({len(whole):,} characters)"


def _object(line: bytes) -> dict[str, Any]:
    """What the line holds; {} where that is no JSON object. One of too many values says nothing."""
    if not line.startswith(b"{"):
        return {}
    if sum(map(line.count, (b",", b"[", b"{"))) > _VALUES:
        return {"type": "not read"}
    try:
        return _mapping(json.loads(line))
    except (ValueError, RecursionError):
        return {}


def _blocks(said: dict[str, Any]) -> list[dict[str, Any]]:
    return _list(_mapping(said.get("message")).get("content"))


def _list(value: object) -> list[dict[str, Any]]:
    return [_mapping(each) for each in value] if isinstance(value, list) else []


def _mapping(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: dict[str, Any], key: str) -> str:
    """It goes into the ledger, which takes neither NUL nor half a surrogate pair: JSON may hold both."""
    found = value.get(key)
    return visible(found) if isinstance(found, str) else ""


def _session(said: dict[str, Any]) -> str:
    """Its id goes into a command line and a path, and whatever runs beside the agent may print one."""
    found = _text(said, "session_id")
    return found if _SESSION.fullmatch(found) else ""


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if 0 <= value <= _LARGEST else None
