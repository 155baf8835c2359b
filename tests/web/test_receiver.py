"""`POST /webhooks/<forge>` over real sockets: valid and invalid deliveries, in the form of each forge."""

import socket
from collections.abc import Iterator

import pytest

from bot.store.ledger import Ledger
from tests.support import http
from tests.support.webhook_receiver import BODY, CAP, GITHUB, GITLAB, Dialect, Hook, receiving


@pytest.fixture(params=[GITHUB, GITLAB], ids=["github", "gitlab"])
def dialect(request: pytest.FixtureRequest) -> Dialect:
    found: Dialect = request.param
    return found


@pytest.fixture
def hook(sqlite_ledger: Ledger, dialect: Dialect) -> Iterator[Hook]:
    with receiving(sqlite_ledger, dialect) as hook:
        yield hook


def test_a_signed_delivery_is_recorded_byte_for_byte_and_answered_with_202(hook: Hook) -> None:
    body = b' {"comment": {"body": "caf\xc3\xa9 \\u0000"}}\n'

    answer = hook.post(body)

    assert answer.status_code == 202
    assert hook.recorded() == [("d-1", hook.dialect.recorded, body)]
    assert hook.counted == [202]


def test_a_repeated_delivery_is_accepted_and_recorded_once(hook: Hook) -> None:
    assert [hook.post().status_code for _ in range(3)] == [202] * 3
    assert len(hook.recorded()) == 1


def test_an_event_that_the_bot_does_not_need_is_accepted_and_not_recorded(hook: Hook) -> None:
    assert hook.post(event=hook.dialect.ignored).status_code == 202
    assert hook.recorded() == []


@pytest.mark.parametrize("needed", [True, False])
def test_a_signed_body_that_is_not_a_json_object_is_answered_with_400(hook: Hook, *, needed: bool) -> None:
    event = hook.dialect.recorded if needed else hook.dialect.ignored
    bodies = [
        b"",
        b"not json",
        b"[]",
        b'"text"',
        b'{"a": NaN}',
        b'{"a": "\xff"}',
        b'{"a": "\\ud800"}',
        b'{"a": "\x00"}',
        b'{"a": ' + b"1" * 5_000 + b"}",
        b"[" * 50_000,
        b'{"a":' * 5_000 + b"1" + b"}" * 5_000,
        b"\xef\xbb\xbf{}",
    ]

    answers = {body: hook.post(body, event=event).status_code for body in bodies}

    assert answers == dict.fromkeys(bodies, 400)
    assert hook.recorded() == []


@pytest.mark.parametrize("name", ["id", "event"])
def test_a_delivery_with_an_invalid_id_or_event_is_answered_with_400(hook: Hook, name: str) -> None:
    values = ["", "with/slash", "x" * 200, "\u00e9"]

    answers = [hook.post(BODY, **{name: value}).status_code for value in values]

    assert answers == [400] * len(values)
    assert hook.recorded() == []


def test_a_delivery_without_proof_is_answered_with_401(hook: Hook) -> None:
    assert hook.post(b"", proof=None, content_type=None).status_code == 401


def test_a_form_is_answered_with_415_and_the_required_content_type(hook: Hook) -> None:
    answer = hook.post(b"payload=%7B%7D", content_type="application/x-www-form-urlencoded")

    assert answer.status_code == 415
    assert "application/json" in answer.text


def test_a_content_type_with_a_charset_is_accepted(hook: Hook) -> None:
    assert hook.post(content_type="Application/JSON; charset=utf-8").status_code == 202


def test_a_compressed_body_is_answered_with_415(hook: Hook) -> None:
    assert hook.post(content_encoding="gzip").status_code == 415


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "HEAD"])
def test_other_methods_are_answered_with_405(hook: Hook, method: str) -> None:
    answer = http.request(method, hook.url)

    assert answer.status_code == 405
    assert answer.headers["allow"] == "POST"


def test_a_body_that_is_declared_too_large_is_answered_with_413_before_it_is_sent(hook: Hook) -> None:
    head = f"POST {hook.path} HTTP/1.1\r\nhost: x\r\ncontent-length: {CAP + 1}\r\n\r\n"

    assert hook.raw(head.encode()).startswith(b"HTTP/1.1 413 ")


def test_a_body_of_unknown_length_that_exceeds_the_cap_is_answered_with_413(hook: Hook) -> None:
    head = "".join(f"{name}: {value}\r\n" for name, value in hook.dialect.headers(BODY).items())
    chunk = b"4000\r\n" + b"x" * 0x4000 + b"\r\n"
    start = f"POST {hook.path} HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n{head}\r\n"

    assert hook.raw(start.encode() + chunk * 7).startswith(b"HTTP/1.1 413 ")


def test_a_body_of_exactly_the_cap_is_accepted(hook: Hook) -> None:
    body = b'{"a":"' + b"x" * (CAP - 8) + b'"}'

    assert len(body) == CAP
    assert hook.post(body).status_code == 202


@pytest.mark.parametrize("twice", ["proof", "id", "event", "content-length", "content-type"])
def test_a_repeated_header_is_answered_with_400(hook: Hook, twice: str) -> None:
    given = hook.dialect.headers(BODY) | {
        "host": "x",
        "connection": "close",
        "content-length": str(len(BODY)),
    }
    name = {"proof": hook.dialect.proof, "id": hook.dialect.id, "event": hook.dialect.event}.get(twice, twice)
    lines = [f"{name}: {value}" for name, value in [*given.items(), (name, given[name])]]
    request = f"POST {hook.path} HTTP/1.1\r\n" + "\r\n".join(lines) + "\r\n\r\n"

    assert hook.raw(request.encode() + BODY).startswith(b"HTTP/1.1 400 ")
    assert hook.recorded() == []


def test_a_sender_that_misses_the_deadline_is_answered_with_408(
    sqlite_ledger: Ledger, dialect: Dialect
) -> None:
    with receiving(sqlite_ledger, dialect, read_deadline=0.2) as hook:
        lines = [f"{name}: {value}" for name, value in dialect.headers(BODY).items()]
        head = f"POST {hook.path} HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n" + "\r\n".join(lines)

        assert hook.raw(head.encode() + b"\r\n\r\n{").startswith(b"HTTP/1.1 408 ")


def test_a_connection_with_an_endless_head_is_closed(hook: Hook) -> None:
    with socket.create_connection(hook.address, timeout=20) as connection:
        connection.sendall(f"POST {hook.path} HTTP/1.1\r\nx: ".encode())

        with pytest.raises(ConnectionError):
            connection.sendall(b"y" * 50_000_000)


def test_a_delivery_is_answered_with_503_while_the_ledger_fails_and_with_202_afterwards(hook: Hook) -> None:
    with hook.ledger.write() as tx:
        tx.exec_driver_sql("ALTER TABLE deliveries RENAME TO away")
    down = hook.post().status_code
    with hook.ledger.write() as tx:
        tx.exec_driver_sql("ALTER TABLE away RENAME TO deliveries")

    assert down == 503
    assert hook.post().status_code == 202
    assert hook.counted == [503, 202]
