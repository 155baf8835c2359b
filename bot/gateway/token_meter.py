"""Tokens, read out of a provider's answer while it passes, whatever its dialect, and what broke it off.

Anthropic, OpenAI (chat and responses) and Gemini each say it in an object of
their own, in JSON or in the last events of a stream. What is said later holds,
because all of them repeat the sum so far.
"""

import json
import re
from typing import Any

from bot.domain.usage import Tokens

_LONGEST = 8 << 20  # bytes of a line, or of a whole answer that is no stream; longer ones are not counted
_SIGN = b'"usage'  # every object that says it has a key that begins so
_ERROR = b'"error"'
_WORD = re.compile(r"[A-Za-z0-9_.-]{1,50}")


class Meter:
    """Of one answer. It never raises: an answer that makes no sense counts nothing."""

    def __init__(self, content_type: str) -> None:
        self._events = content_type.startswith("text/event-stream")
        self._line = bytearray()
        self._too_long = False
        self._said: dict[str, int] = {}
        self.error = ""  # what went wrong in a stream that began with a 200: a word of the provider's

    def feed(self, data: bytes) -> None:
        """These bytes have passed."""
        *ended, rest = data.split(b"\n") if self._events else [data]
        for piece in ended:
            self._take(piece)
            self._end_of_line()
        self._take(rest)

    def so_far(self) -> Tokens:
        """What the answer has said up to now."""
        return Tokens(**self._said)

    def tokens(self) -> Tokens:
        """What the answer said, at its end or where it was cut."""
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
        if _SIGN not in line and not (self._events and _ERROR in line):
            return
        try:
            said = json.loads(line)
        except (ValueError, RecursionError):
            return
        for each in said if isinstance(said, list) else [said]:
            self._said |= _usage(each)
            self.error = self.error or (_error(each) if self._events else "")


def _error(said: Any) -> str:
    """Find it at the top, or in `response` (OpenAI)."""
    for place in (said, said.get("response")) if isinstance(said, dict) else ():
        error = place.get("error") if isinstance(place, dict) else None
        if isinstance(error, dict):
            words = (str(error.get(name)) for name in ("type", "status", "code") if error.get(name))
            return next(filter(_WORD.fullmatch, words), "error")
    return ""


def _usage(said: Any) -> dict[str, int]:
    """Find it at the top, or one level down: in `message` (Anthropic) or in `response` (OpenAI)."""
    if not isinstance(said, dict):
        return {}
    for place in (said, said.get("message"), said.get("response")):
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
    if "total_tokens" in usage:  # OpenAI's responses: Anthropic, with the same names, gives no sum
        cached = _number(usage.get("input_tokens_details"), "cached_tokens")
        fresh = max(0, _number(usage, "input_tokens") - cached)
        return {"input": fresh, "cache_read": cached, "output": _number(usage, "output_tokens")}
    names = {
        "input": "input_tokens",
        "cache_write": "cache_creation_input_tokens",
        "cache_read": "cache_read_input_tokens",
        "output": "output_tokens",
    }
    # The first event of its stream has them all, the last what has changed.
    return {ours: _number(usage, theirs) for ours, theirs in names.items() if usage.get(theirs) is not None}


def _number(where: Any, name: str) -> int:
    found = where.get(name) if isinstance(where, dict) else None
    return found if isinstance(found, int) and 0 <= found < 1 << 40 else 0
