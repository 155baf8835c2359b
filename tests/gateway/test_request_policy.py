"""Bodies that are built to be slow to parse."""

import time
from contextlib import suppress

import pytest

from bot.gateway.providers import Auth, Provider
from bot.gateway.request_policy import ModelRequest, RequestRefused, requested_model

_ROUTE = Provider(
    name="r", url="http://127.0.0.1", key="", auth=Auth.BEARER, paths=["*"], models=["*"], prices={}
)
_ASKED = ModelRequest(provider=_ROUTE, target="/v1/messages", shown="POST /r/v1/messages")


@pytest.mark.parametrize(
    "body",
    [
        b'{"a":' + b"[" * (8 << 20),
        b'{"a": "' + b'\\"' * (4 << 20),
        b'{"a": ' + b'""' * (4 << 20),
        b'{"model": ' + b" " * (8 << 20) + b'"x"}',
        b'{"' + b"\\" * (8 << 20),
    ],
    ids=["brackets", "escapes", "strings", "blanks", "backslashes"],
)
def test_the_time_for_a_body_is_proportional_to_its_length(body: bytes) -> None:
    began = time.process_time()
    with suppress(RequestRefused):
        requested_model(_ASKED, body)

    assert time.process_time() - began < 3


def test_a_usual_body_of_a_long_conversation_is_read_in_milliseconds() -> None:
    turn = b'{"role": "user", "content": [{"type": "text", "text": "' + b"words \\n " * 400 + b'"}]},'
    body = b'{"messages": [' + turn * 300 + b'{}], "model": "opus"}'

    began = time.process_time()
    named = requested_model(_ASKED, body)

    assert named == "opus"
    assert time.process_time() - began < 0.5
