"""Requests that are refused and never sent: without a token, not permitted, not HTTP."""

import json
from collections.abc import Callable

import pytest
from structlog.testing import capture_logs

from tests.gateway.sandbox_client import Asker


def test_a_request_without_the_token_of_its_run_is_refused_and_not_sent(
    asker: Asker, another_asker: Callable[[], Asker]
) -> None:
    other = another_asker()
    asker.headers = other.headers

    with asker.gateway.open(asker.run, asker.task) as access, other.gateway.open(other.run, other.task):
        assert asker.ask().status == 401
        asker.headers = {}
        assert asker.ask().status == 401
        assert other.ask().status == 200
        asker.save(access)

    assert len(asker.provider.got) == 1
    assert [(each.target, each.count) for each in asker.refused()] == [("POST /anthropic/v1/messages", 2)]


@pytest.mark.parametrize(
    ("method", "target", "shown"),
    [
        ("GET", "/anthropic/v1/messages", "GET /anthropic/v1/messages"),
        ("POST", "/anthropic/v1/files", "POST /anthropic/v1/files"),
        ("POST", "/nowhere/v1/messages", "POST /nowhere/v1/messages"),
        ("POST", "/anthropic/v1/messages/../files", "POST /anthropic/v1/messages/../files"),
        ("POST", "/openai/v1/%2e%2e/files", "POST /openai/v1/%2e%2e/files"),
        ("POST", "/openai/v1//files", "POST /openai/v1//files"),
        ("POST", "/openai/v1/chat?key=mine", "POST /openai/v1/chat"),
        ("POST", "/openai/v1/chat?%24Key=mine", "POST /openai/v1/chat"),
        ("POST", "/openai/v1/chat?$fields=candidates", "POST /openai/v1/chat"),
        ("POST", "/openai/v1/chat?alt=sse&alt=proto", "POST /openai/v1/chat"),
        ("POST", "/", "POST /"),
    ],
)
def test_a_request_that_is_not_permitted_is_refused_and_counted(
    asker: Asker, method: str, target: str, shown: str
) -> None:
    with asker.gateway.open(asker.run, asker.task) as access, capture_logs() as logged:
        for _ in range(2):
            answer = asker.ask(target, method=method)
        total = access.counter.total()
        asker.save(access)

    assert answer.status == 403
    assert shown in json.loads(answer.body)["error"]["message"]
    assert (asker.provider.got, total.requests) == ([], 0)
    assert [(each.target, each.count) for each in asker.refused()] == [(shown, 2)]
    assert [each["target"] for each in logged] == [shown]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b'{"model": "haiku"}', 403),
        (b'{"Model": "haiku"}', 403),
        (b'{"model": "sonnet", "model": "opus-5"}', 400),  # ambiguous: each has its own price
        (b'{"model": "sonnet", "MODEL": "haiku"}', 400),
        (b'{"model": "sonnet", "model": "sonnet"}', 200),
        (b'{"model"/**/: "haiku", "model": "sonnet"}', 400),
        (b'{"model": "sonnet", \'model\': "haiku"}', 400),
        (b'{"model": "sonnet", model: "haiku"}', 400),
        (b'{"model": "opus-' + b"5" * 1000 + b'"}', 400),
        (b'{"\\u006dodel": "haiku"}', 403),
        (b"{}", 403),
        (b'{"model": ["sonnet"]}', 400),
        (b"", 400),
        (b"not json", 400),
        (b'{"messages": [{"model": "haiku"}], "model": "opus-5", "x": "\\"model\\": \\"haiku\\""}', 200),
        (b'\t{"a": [-1.5E+7, true, false, null, {}], "model"\r\n: "sonnet"}\n', 200),
    ],
)
def test_only_permitted_models_are_requested(asker: Asker, body: bytes, status: int) -> None:
    with asker.gateway.open(asker.run, asker.task):
        assert asker.ask(body=body).status == status

    assert len(asker.provider.got) == (status == 200)


def test_a_body_that_is_too_long_is_refused(asker: Asker) -> None:
    with asker.gateway.open(asker.run, asker.task):
        answer = asker.ask(body=b'{"model": "sonnet", "x": "' + b"x" * (65 << 20))

        assert answer.status == 413
    assert asker.provider.got == []


def test_a_request_that_is_not_http_is_refused(asker: Asker) -> None:
    with asker.gateway.open(asker.run, asker.task), asker.connected() as connection:
        connection.sock.sendall(b"\x16\x03\x01 hello\r\n\r\n")

        assert connection.sock.recv(100).startswith(b"HTTP/1.1 400")
