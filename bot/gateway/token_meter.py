"""The token counts in a provider's response, read while it passes, and an error that ended a stream.

Anthropic, OpenAI (chat and responses) and Gemini each report the counts in an object of
their own, in a JSON document or in the last events of a stream. A later report replaces an
earlier one, because each repeats the total so far.
"""

import json
import re
from typing import Any

from bot.domain.usage import Tokens

_LONGEST = 8 << 20  # bytes of a line, or of a whole response that is not a stream; longer ones are not parsed
_USAGE = b'"usage'  # the start of the key in every object with token counts
_ERROR = b'"error"'
_WORD = re.compile(r"[A-Za-z0-9_.-]{1,50}")


class TokenMeter:
    """The meter of one response. It never raises: a response that cannot be parsed counts nothing."""

    def __init__(self, content_type: str) -> None:
        self._events = content_type.startswith("text/event-stream")
        self._line = bytearray()
        self._too_long = False
        self._reported: dict[str, int] = {}
        self.error = ""  # the provider's name for the error that ended a stream with status 200

    def feed(self, data: bytes) -> None:
        """Read the next bytes of the response."""
        *ended, rest = data.split(b"\n") if self._events else [data]
        for piece in ended:
            self._take(piece)
            self._end_of_line()
        self._take(rest)

    def so_far(self) -> Tokens:
        """Return the counts reported so far."""
        return Tokens(**self._reported)

    def tokens(self) -> Tokens:
        """Return the counts of the whole response, or of a response that was cut."""
        self._end_of_line()
        return self.so_far()

    def _take(self, piece: bytes) -> None:
        self._too_long = self._too_long or len(self._line) + len(piece) > _LONGEST
        if self._too_long:
            self._line.clear()
        else:
            self._line += piece

    def _end_of_line(self) -> None:
        line, self._line, self._too_long = bytes(self._line), bytearray(), False
        if self._events:
            line = line.removeprefix(b"data:") if line.startswith(b"data:") else b""
        if _USAGE not in line and not (self._events and _ERROR in line):
            return
        try:
            document = json.loads(line)
        except (ValueError, RecursionError):
            return
        for each in document if isinstance(document, list) else [document]:
            self._reported |= _usage(each)
            self.error = self.error or (_error(each) if self._events else "")


def _error(event: Any) -> str:
    """Return the name of the error in an event: at the top, or in `response` (OpenAI); "" if none."""
    for place in (event, event.get("response")) if isinstance(event, dict) else ():
        error = place.get("error") if isinstance(place, dict) else None
        if isinstance(error, dict):
            names = (str(error.get(name)) for name in ("type", "status", "code") if error.get(name))
            return next(filter(_WORD.fullmatch, names), "error")
    return ""


def _usage(document: Any) -> dict[str, int]:
    """Return the counts at the top, or in `message` (Anthropic) or `response` (OpenAI)."""
    if not isinstance(document, dict):
        return {}
    for place in (document, document.get("message"), document.get("response")):
        if isinstance(place, dict):
            usage = place.get("usage") or place.get("usageMetadata")
            if isinstance(usage, dict):
                return _read(usage)
    return {}


def _read(usage: dict[str, Any]) -> dict[str, int]:
    if "promptTokenCount" in usage:
        cached = _number(usage, "cachedContentTokenCount")
        fresh = _number(usage, "promptTokenCount") + _number(usage, "toolUsePromptTokenCount") - cached
        output = _number(usage, "candidatesTokenCount") + _number(usage, "thoughtsTokenCount")
        return {"input": max(0, fresh), "cache_read": cached, "output": output}
    if "prompt_tokens" in usage:
        cached = _number(usage.get("prompt_tokens_details"), "cached_tokens")
        fresh = max(0, _number(usage, "prompt_tokens") - cached)
        return {"input": fresh, "cache_read": cached, "output": _number(usage, "completion_tokens")}
    if "total_tokens" in usage:  # OpenAI's responses; Anthropic uses the same names, but has no total
        cached = _number(usage.get("input_tokens_details"), "cached_tokens")
        fresh = max(0, _number(usage, "input_tokens") - cached)
        return {"input": fresh, "cache_read": cached, "output": _number(usage, "output_tokens")}
    names = {
        "input": "input_tokens",
        "cache_write": "cache_creation_input_tokens",
        "cache_read": "cache_read_input_tokens",
        "output": "output_tokens",
    }
    # The first event of Anthropic's stream has all counts, the last one those that have changed.
    return {name: _number(usage, key) for name, key in names.items() if usage.get(key) is not None}


def _number(counts: Any, name: str) -> int:
    number = counts.get(name) if isinstance(counts, dict) else None
    return number if isinstance(number, int) and 0 <= number < 1 << 40 else 0
