"""Token counts of responses in each provider's format, in pieces of any size."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.usage import Tokens
from bot.gateway.token_meter import TokenMeter

_STREAM = "text/event-stream; charset=utf-8"
_JSON = "application/json"
_ANTHROPIC = {
    "input_tokens": 10,
    "cache_creation_input_tokens": 20,
    "cache_read_input_tokens": 30,
    "output_tokens": 1,
}
_RESPONSES = {
    "input_tokens": 50,
    "input_tokens_details": {"cached_tokens": 40},
    "output_tokens": 7,
    "total_tokens": 57,
}
_CHAT = {
    "prompt_tokens": 50,
    "prompt_tokens_details": {"cached_tokens": 40},
    "completion_tokens": 7,
    "total_tokens": 57,
}
_GEMINI = {
    "promptTokenCount": 50,
    "cachedContentTokenCount": 40,
    "candidatesTokenCount": 5,
    "thoughtsTokenCount": 2,
}


def _tokens(fresh: int, written: int, read: int, output: int) -> Tokens:
    return Tokens(input=fresh, cache_write=written, cache_read=read, output=output)


def _events(*said: object) -> bytes:
    return b"".join(f"event: x\r\ndata: {json.dumps(each)}\r\n\r\n".encode() for each in said)


_DIALECTS = {
    "anthropic": (_JSON, json.dumps({"usage": _ANTHROPIC}).encode(), _tokens(10, 20, 30, 1)),
    "anthropic stream": (
        _STREAM,
        _events(
            {"type": "message_start", "message": {"usage": _ANTHROPIC}},
            {"type": "content_block_delta", "delta": {"text": 'a "usage" of words'}},
            {"type": "message_delta", "usage": {"output_tokens": 99, "cache_read_input_tokens": None}},
        ),
        _tokens(10, 20, 30, 99),
    ),
    "chat": (_JSON, json.dumps({"usage": _CHAT}).encode(), _tokens(10, 0, 40, 7)),
    "chat stream": (
        _STREAM,
        _events({"usage": None}, {"choices": [], "usage": _CHAT}) + b"data: [DONE]\n\n",
        _tokens(10, 0, 40, 7),
    ),
    "responses": (_JSON, json.dumps({"usage": _RESPONSES}).encode(), _tokens(10, 0, 40, 7)),
    "responses stream": (
        _STREAM,
        _events({"type": "response.completed", "response": {"usage": _RESPONSES}}),
        _tokens(10, 0, 40, 7),
    ),
    "gemini stream": (
        _STREAM,
        _events({"usageMetadata": {"promptTokenCount": 50}}, {"usageMetadata": _GEMINI}),
        _tokens(10, 0, 40, 7),
    ),
    "gemini array": (
        _JSON,
        json.dumps([{"usageMetadata": {"promptTokenCount": 50}}, {"usageMetadata": _GEMINI}]).encode(),
        _tokens(10, 0, 40, 7),
    ),
    "cut in its last event": (
        _STREAM,
        _events({"message": {"usage": _ANTHROPIC}}) + b'data: {"usage": {"output_tok',
        _tokens(10, 20, 30, 1),
    ),
    "nonsense": (_JSON, b'{"usage": {"input_tokens": -5, "output_tokens": "many"}}', Tokens()),
    "nothing that is known": (_JSON, b'{"usage": [1], "message": 5}', Tokens()),
    "no JSON": (_JSON, b'"usage" \xff\x00', Tokens()),
    "deep": (_JSON, b'{"usage":' + b"[" * 100_000, Tokens()),
}


@pytest.mark.parametrize("dialect", _DIALECTS)
@given(cuts=st.lists(st.integers(0, 400), max_size=5))
def test_the_token_counts_are_read(dialect: str, cuts: list[int]) -> None:
    kind, answer, tokens = _DIALECTS[dialect]
    meter, at = TokenMeter(kind), 0

    for cut in [*sorted(cuts), len(answer)]:
        meter.feed(answer[at:cut])
        at = max(at, cut)

    assert meter.tokens() == tokens


@pytest.mark.parametrize(
    ("said", "error"),
    [
        ({"type": "error", "error": {"type": "overloaded_error", "message": "x"}}, "overloaded_error"),
        ({"error": {"code": 503, "message": "x", "status": "UNAVAILABLE"}}, "UNAVAILABLE"),
        ({"type": "response.failed", "response": {"error": {"code": "server_error"}}}, "server_error"),
        ({"error": {"type": "\ud800 <b>", "code": 5}}, "5"),
        ({"error": {}}, "error"),
        ({"type": "response.completed", "response": {"error": None, "usage": _RESPONSES}}, ""),
        ({"type": "content_block_delta", "delta": {"text": 'an "error"', "error": {"type": "x"}}}, ""),
    ],
)
def test_the_error_that_ended_a_stream_is_read(said: object, error: str) -> None:
    meter = TokenMeter(_STREAM)

    meter.feed(_events(said))

    assert meter.error == error


def test_a_line_that_is_too_long_is_dropped_and_the_next_one_counts() -> None:
    meter = TokenMeter(_STREAM)

    meter.feed(b"data: ")
    for _ in range(20):
        meter.feed(b'"usage"' * 100_000)
    meter.feed(b"\n" + _events({"usage": _CHAT}))

    assert meter.tokens() == _tokens(10, 0, 40, 7)
