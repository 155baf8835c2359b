"""A connection from a sandbox: sent on with the real key, and answered byte for byte."""

import threading

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.gateway.provider import KEY, message_stream, stream_response
from tests.gateway.sandbox_client import MESSAGE, MESSAGES, Asker


def test_a_request_arrives_with_the_real_key_and_only_permitted_headers(asker: Asker) -> None:
    asker.headers |= {
        "cookie": "a=b",
        "anthropic-version": "2023",
        "connection": "x-mine",
        "x-mine": "1",
        "x-goog-fieldmask": "candidates",
    }

    with asker.gateway.open(asker.run, asker.task):
        asker.ask("/anthropic/v1/messages?beta=true&alt=sse")

    (got,) = asker.provider.got
    assert got.path == "/v1/messages?beta=true&alt=sse"
    assert got.body == MESSAGE
    assert got.header("x-api-key") == KEY
    assert got.header("anthropic-version") == "2023"
    assert got.header("accept-encoding") == "identity"
    assert {"cookie", "x-mine", "authorization", "x-goog-fieldmask"}.isdisjoint(
        name for name, _ in got.headers
    )


@pytest.mark.parametrize(
    ("path", "body", "header", "value"),
    [
        ("/openai/v1/responses", MESSAGE, "authorization", f"Bearer {KEY}"),
        ("/gemini/v1beta/models/opus-4:generateContent", b"{}", "x-goog-api-key", KEY),
    ],
)
def test_each_provider_gets_its_key_in_its_own_header(
    asker: Asker, path: str, body: bytes, header: str, value: str
) -> None:
    with asker.gateway.open(asker.run, asker.task):
        assert asker.ask(path, body).status == 200

    assert asker.provider.got[0].header(header) == value


@pytest.mark.parametrize("header", ["x-api-key", "x-goog-api-key", "authorization"])
def test_the_token_is_accepted_in_each_header_that_agents_use(asker: Asker, header: str) -> None:
    token = asker.headers.pop("x-api-key")
    asker.headers[header] = f"Bearer {token}" if header == "authorization" else token

    with asker.gateway.open(asker.run, asker.task):
        assert asker.ask().status == 200

    assert all(token not in value for _, value in asker.provider.got[0].headers)


def test_a_connection_serves_many_requests_over_one_upstream_connection(asker: Asker) -> None:
    with asker.gateway.open(asker.run, asker.task), asker.connected() as connection:
        for number in range(3):
            asker.provider.script.append(
                stream_response(message_stream(input_tokens=number, output_tokens=1))
            )
            connection.request("POST", MESSAGES, body=MESSAGE, headers=asker.headers)
            assert connection.getresponse().read().endswith(b'{"type": "message_stop"}\n\n')

    assert len({got.peer for got in asker.provider.got}) == 1
    assert len(asker.provider.got) == 3


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    pieces=st.lists(st.binary(min_size=1, max_size=3000), max_size=8),
    kind=st.sampled_from(["text/event-stream", "x/y"]),
)
def test_a_stream_arrives_byte_for_byte(asker: Asker, pieces: list[bytes], kind: str) -> None:
    asker.provider.script.append(stream_response(pieces, kind=kind))

    with asker.gateway.open(asker.run, asker.task):
        answer = asker.ask()

        assert (answer.headers["content-type"], answer.body) == (kind, b"".join(pieces))


def test_each_piece_arrives_before_the_next_is_sent(asker: Asker) -> None:
    go = threading.Semaphore(0)
    asker.provider.script.append(stream_response([b"one", b"two", b"three"], go.acquire))

    with asker.gateway.open(asker.run, asker.task):
        go.release()
        with asker.asking() as answer:
            for piece in (b"one", b"two", b"three"):
                assert answer.read1() == piece
                go.release()
            assert answer.read() == b""
