"""The output of Claude Code: a stream of JSON objects, one a line.

The last one has the type `result`, and only its `is_error` tells success from failure:
`subtype` is "success" for a refused key, too, and the exit status can be either. The behaviour
described here is that of version 2.1.330, from the recorded streams in tests/agents/streams.
The types are in `sdk-tools.d.ts` of the npm package and at
https://docs.claude.com/en/docs/claude-code/headless.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

from bot.agents.agent import AgentReport, OutputLine
from bot.domain.outcomes import Outcome
from bot.gateway.endpoint import REFUSAL_PREFIX
from bot.text.invisible import visible

_SESSION = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_QUESTION_TOOL = "AskUserQuestion"
# The target of a tool is in one of these keys of its input.
_TARGET_KEYS = ("file_path", "notebook_path", "command", "pattern", "path", "url", "query", "description")
_DOING = 200  # characters
_RESULT_CHARACTERS = 600  # of a tool's result that are shown, in
_RESULT_LINES = 8  # lines at most
# In one line. A JSON value takes two bytes or more in the line, and up to fifty times as much in memory.
_VALUES = 200_000
_MESSAGE = 20_000  # characters of its last message
_BUSY = frozenset({429, 529})  # rate limit reached, provider overloaded
_REFUSED_KEY = frozenset({401, 403})
_LARGEST = 253_402_300_799  # the last second that has a date, in the year 9999; no cost is as large


class ClaudeStream:
    """A parser of the stream of JSON objects."""

    def __init__(self) -> None:
        self._question = ""
        self._limited_until: float | None = None
        self._busy = False  # do its own commands or agents work in the background?

    def parse(self, line: bytes) -> OutputLine:
        event = _object(line)
        match event.get("type"):
            case "system":
                return self._system(event)
            case "assistant":
                return self._assistant(event)
            case "user":
                return OutputLine(text="\n".join(_tool_results(event)) or None)
            case "rate_limit_event":
                return self._limit(event)
            case "result":
                return self._result(event)
            case str():  # a type of event with nothing for people
                return OutputLine()
        return OutputLine(text=line.decode(errors="replace"))

    def _system(self, event: dict[str, Any]) -> OutputLine:
        if event.get("subtype") == "api_retry":
            error = f"{event.get('error_status')} {event.get('error')}"
            return OutputLine(
                text=f"The model's provider answered {error}; try {event.get('attempt')} failed."
            )
        if event.get("subtype") == "background_tasks_changed":
            self._busy = bool(_list(event.get("tasks")))
        if event.get("subtype") != "init":
            return OutputLine()
        return OutputLine(text=f"Model {_text(event, 'model')}", session=_session(event))

    def _assistant(self, event: dict[str, Any]) -> OutputLine:
        texts, doing = [], ""
        for block in _blocks(event):
            if block.get("type") == "text":
                texts.append(_text(block, "text"))
            elif block.get("type") == "tool_use":
                doing = _doing(block)
                texts.append(f"> {doing}")
                # An agent that uses another tool after an unanswered question has gone on without the answer.
                is_question = _text(block, "name") == _QUESTION_TOOL
                self._question = _question(block.get("input")) if is_question else ""
        return OutputLine(text="\n".join(texts) or None, doing=doing)

    def _limit(self, event: dict[str, Any]) -> OutputLine:
        info = _mapping(event.get("rate_limit_info"))
        if info.get("status") != "rejected":
            self._limited_until = None
            return OutputLine()
        self._limited_until = _number(info.get("resetsAt"))
        return OutputLine(text="The provider's limit is reached.")

    def _result(self, event: dict[str, Any]) -> OutputLine:
        cost = _number(event.get("total_cost_usd"))
        if event.get("is_error") is False:
            question = self._denied_question(event) or self._question
            report = AgentReport(
                outcome=None,
                text=_text(event, "result")[:_MESSAGE],
                question=question[:_MESSAGE],
                session_cost=cost,
                waits=self._busy,
            )
            end = "It waits for what it runs in the background." if self._busy else "It says that it is done."
            return OutputLine(text=end, report=report)
        outcome, error = _failure(event, limited=self._limited_until is not None)
        until = self._limited_until if outcome is Outcome.RATE_LIMITED else None
        report = AgentReport(outcome=outcome, text=error[:_MESSAGE], limited_until=until, session_cost=cost)
        return OutputLine(text=f"It says that it failed: {error}", report=report)

    def _denied_question(self, event: dict[str, Any]) -> str:
        """Return the last question whose tool was denied; "" if there is none."""
        denials = _list(event.get("permission_denials"))
        questions = [
            _question(each.get("tool_input")) for each in denials if each.get("tool_name") == _QUESTION_TOOL
        ]
        return questions[-1] if questions else ""


def is_session(session: str) -> bool:
    """Return True for an id that Claude Code gives a session, which is a UUID."""
    return _SESSION.fullmatch(session) is not None


def _failure(event: dict[str, Any], *, limited: bool) -> tuple[Outcome, str]:
    """Return the outcome of a failed run, and the error for people."""
    errors = event.get("errors")
    listed = "; ".join(visible(str(error)) for error in errors) if isinstance(errors, list) else ""
    text = _text(event, "result") or listed or _text(event, "subtype").replace("_", " ")
    status = _number(event.get("api_error_status"))
    if limited or status in _BUSY:
        return Outcome.RATE_LIMITED, text
    if status in _REFUSED_KEY:
        _, by_gateway, refusal = text.partition(REFUSAL_PREFIX)
        provider = f"The model's provider did not accept the key of this bot ({status:.0f})."
        text = f"The bot's gateway {refusal}" if by_gateway else f"{provider} The agent says: {text}"
    return Outcome.AGENT_FAILED, text


def _doing(block: dict[str, Any]) -> str:
    """Return the tool and its target: "Edit bot/runs/execute.py"."""
    arguments = _mapping(block.get("input"))
    keys = (key for key in _TARGET_KEYS if isinstance(arguments.get(key), str))
    target = next((_text(arguments, key) for key in keys), "")
    doing = " ".join(f"{_text(block, 'name')} {target.removeprefix('/workspace/')}".split())
    return doing if len(doing) <= _DOING else f"{doing[:_DOING]}…"


def _question(arguments: object) -> str:
    """Return the questions in the input of the question tool, each with its options."""
    lines = []
    for question in _list(_mapping(arguments).get("questions")):
        lines.append(_text(question, "question"))
        options = _list(question.get("options"))
        lines += [f"- {_text(option, 'label')}: {_text(option, 'description')}" for option in options]
    return "\n".join(lines)


def _tool_results(event: dict[str, Any]) -> Iterator[str]:
    """Yield the lines of tools' results, shortened: the raw log has all of them."""
    for block in _blocks(event):
        if block.get("type") == "tool_result":
            content = block.get("content")
            parts = [_text(part, "text") for part in _list(content)]
            whole = content if isinstance(content, str) else "\n".join(parts)
            lines = whole[:_RESULT_CHARACTERS].split("\n")
            yield from (f"  {line}" for line in lines[:_RESULT_LINES])
            if len(whole) > _RESULT_CHARACTERS or len(lines) > _RESULT_LINES:
                yield f"  … ({len(whole):,} characters)"


def _object(line: bytes) -> dict[str, Any]:
    """Return the JSON object in the line; {} if it has none. One with too many values is not parsed."""
    if not line.startswith(b"{"):
        return {}
    if sum(map(line.count, (b",", b"[", b"{"))) > _VALUES:
        return {"type": "not read"}
    try:
        return _mapping(json.loads(line))
    except (ValueError, RecursionError):
        return {}


def _blocks(event: dict[str, Any]) -> list[dict[str, Any]]:
    return _list(_mapping(event.get("message")).get("content"))


def _list(value: object) -> list[dict[str, Any]]:
    return [_mapping(each) for each in value] if isinstance(value, list) else []


def _mapping(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: dict[str, Any], key: str) -> str:
    """Return a text for the ledger, which takes no NUL and no half surrogate pair: JSON may hold both."""
    text = value.get(key)
    return visible(text) if isinstance(text, str) else ""


def _session(event: dict[str, Any]) -> str:
    """Return the session's id; "" if it is not a UUID.

    It becomes part of a command line and a path, and any program beside the agent can print an event.
    """
    session = _text(event, "session_id")
    return session if is_session(session) else ""


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if 0 <= value <= _LARGEST else None
