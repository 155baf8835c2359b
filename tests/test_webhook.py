"""`POST /webhooks/github`, spoken to over real sockets, good and bad."""

import hashlib
import hmac
import json
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field

import httpx
import pytest
from sqlalchemy import select
from starlette.applications import Starlette

from bot import webhook
from bot.errors import BadSettings
from bot.intake import Intake
from bot.store.ledger import Ledger
from bot.store.schema import deliveries
from bot.webhook import Receiver
from tests.listening import listening

SECRET, NEXT_SECRET = "It's a Secret to Everybody", "another secret of the same webhook"
CAP = 100_000
BODY = json.dumps({"action": "created"}).encode()


@dataclass
class Hook:
    """A running receiver, and what is seen of it from outside."""

    address: tuple[str, int]
    ledger: Ledger
    counted: list[int]
    nudged: list[tuple[str, str]] = field(default_factory=list)

    def post(self, body: bytes = BODY, **changed: str | None) -> httpx.Response:
        """A good delivery, but for the headers named here; None leaves one out."""
        sent = [(name.encode(), value.encode("latin-1")) for name, value in headers(body, **changed).items()]
        return httpx.post(self.url, content=body, headers=sent, timeout=20)

    @property
    def url(self) -> str:
        return "http://{}:{}/webhooks/github".format(*self.address)

    def kept(self) -> list[tuple[str, str, bytes]]:
        with self.ledger.read() as tx:
            rows = tx.execute(select(deliveries.c.id, deliveries.c.event, deliveries.c.body))
            return [(row.id, row.event, row.body) for row in rows]

    def raw(self, request: bytes) -> bytes:
        """Everything the receiver says to these bytes until it hangs up."""
        with socket.create_connection(self.address, timeout=20) as connection:
            connection.sendall(request)
            return b"".join(iter(lambda: connection.recv(65536), b""))


def signature(body: bytes, secret: str = SECRET) -> str:
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def headers(body: bytes, **changed: str | None) -> dict[str, str]:
    usual: dict[str, str | None] = {
        "content_type": "application/json",
        "x_github_delivery": "d-1",
        "x_github_event": "issue_comment",
        "x_hub_signature_256": signature(body),
    }
    merged = {**usual, **changed}
    return {name.replace("_", "-"): value for name, value in merged.items() if value is not None}


def receiver(**changed: float) -> Receiver:
    return Receiver(
        secrets=[SECRET, NEXT_SECRET],
        body_cap=CAP,
        read_deadline=changed.get("read_deadline", 20),
        interesting=frozenset({"issue_comment"}),
    )


@pytest.fixture
def running(sqlite_ledger: Ledger) -> Iterator[Callable[[Receiver], Hook]]:
    with ExitStack() as stack:

        def start(wanted: Receiver) -> Hook:
            hook = Hook(("", 0), sqlite_ledger, [])
            intake = Intake(sqlite_ledger, lambda forge, delivery: hook.nudged.append((forge, delivery)))
            intake.start()
            stack.callback(intake.stop)
            app = Starlette(routes=webhook.routes(wanted, intake, hook.counted.append))
            hook.address = stack.enter_context(listening(app))
            return hook

        yield start


@pytest.fixture
def hook(running: Callable[[Receiver], Hook]) -> Hook:
    return running(receiver())


def test_a_signed_delivery_is_in_the_ledger_byte_for_byte_when_the_202_is_here(hook: Hook) -> None:
    body = b' {"comment": {"body": "caf\xc3\xa9 \\u0000"}}\n'

    answer = hook.post(body)

    assert answer.status_code == 202
    assert hook.kept() == [("d-1", "issue_comment", body)]
    assert hook.counted == [202]


def test_the_signature_is_the_one_of_githubs_own_example() -> None:
    given = b"sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"

    assert webhook.signed([SECRET.encode()], b"Hello, World!", given)


def test_each_of_several_secrets_is_good(hook: Hook) -> None:
    assert hook.post(x_hub_signature_256=signature(BODY, NEXT_SECRET)).status_code == 202


def test_a_delivery_sent_again_is_accepted_and_kept_once(hook: Hook) -> None:
    assert [hook.post().status_code for _ in range(3)] == [202] * 3
    assert len(hook.kept()) == 1


def test_an_event_nobody_waits_for_is_accepted_and_not_kept(hook: Hook) -> None:
    assert hook.post(x_github_event="push").status_code == 202
    assert hook.kept() == []


def test_without_a_true_signature_it_is_401_and_nothing_is_kept(hook: Hook) -> None:
    given = [
        None,
        "",
        "sha256=",
        signature(BODY)[:-1],
        signature(BODY).upper(),
        signature(BODY).removeprefix("sha256="),
        signature(b"another body"),
        signature(BODY, "a secret nobody here knows"),
        "sha1=" + hmac.new(SECRET.encode(), BODY, hashlib.sha1).hexdigest(),
        "sha256=" + "\u00e9" * 64,
    ]

    answers = [hook.post(x_hub_signature_256=one).status_code for one in given]

    assert answers == [401] * len(given)
    assert hook.kept() == []


def test_the_old_signature_alone_is_not_enough(hook: Hook) -> None:
    old = "sha1=" + hmac.new(SECRET.encode(), BODY, hashlib.sha1).hexdigest()

    assert hook.post(x_hub_signature_256=None, x_hub_signature=old).status_code == 401


@pytest.mark.parametrize("event", ["issue_comment", "push"])
def test_a_signed_body_that_is_no_json_object_is_400(hook: Hook, event: str) -> None:
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

    answers = {body: hook.post(body, x_github_event=event).status_code for body in bodies}

    assert answers == dict.fromkeys(bodies, 400)
    assert hook.kept() == []


@pytest.mark.parametrize("name", ["x_github_delivery", "x_github_event"])
def test_without_a_proper_id_and_event_it_is_400(hook: Hook, name: str) -> None:
    values = [None, "", "with space", "x" * 200, "\u00e9"]

    answers = [hook.post(BODY, **{name: value}).status_code for value in values]

    assert answers == [400] * len(values)
    assert hook.kept() == []


def test_a_form_is_415_and_the_answer_says_what_to_set(hook: Hook) -> None:
    answer = hook.post(b"payload=%7B%7D", content_type="application/x-www-form-urlencoded")

    assert answer.status_code == 415
    assert "application/json" in answer.text


def test_a_charset_beside_the_content_type_does_no_harm(hook: Hook) -> None:
    assert hook.post(content_type="Application/JSON; charset=utf-8").status_code == 202


def test_a_compressed_body_is_415(hook: Hook) -> None:
    assert hook.post(content_encoding="gzip").status_code == 415


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "HEAD"])
def test_other_methods_are_405(hook: Hook, method: str) -> None:
    answer = httpx.request(method, hook.url)

    assert answer.status_code == 405
    assert answer.headers["allow"] == "POST"


def test_a_body_declared_too_large_is_413_before_a_byte_of_it_is_sent(hook: Hook) -> None:
    head = f"POST /webhooks/github HTTP/1.1\r\nhost: x\r\ncontent-length: {CAP + 1}\r\n\r\n"

    assert hook.raw(head.encode()).startswith(b"HTTP/1.1 413 ")


def test_a_body_of_unknown_length_is_413_where_it_passes_the_cap(hook: Hook) -> None:
    head = "".join(f"{name}: {value}\r\n" for name, value in headers(BODY).items())
    chunk = b"4000\r\n" + b"x" * 0x4000 + b"\r\n"
    start = f"POST /webhooks/github HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n{head}\r\n"

    assert hook.raw(start.encode() + chunk * 7).startswith(b"HTTP/1.1 413 ")


def test_a_body_of_exactly_the_cap_is_taken(hook: Hook) -> None:
    body = b'{"a":"' + b"x" * (CAP - 8) + b'"}'

    assert len(body) == CAP
    assert hook.post(body).status_code == 202


@pytest.mark.parametrize(
    "twice",
    ["x-hub-signature-256: {}", "content-length: {}", "x-github-delivery: d-2", "content-type: text/plain"],
)
def test_a_header_given_twice_is_400(hook: Hook, twice: str) -> None:
    second = twice.format(signature(BODY) if "signature" in twice else len(BODY))
    lines = [f"{name}: {value}" for name, value in headers(BODY).items()]
    lines += ["host: x", "connection: close", f"content-length: {len(BODY)}", second]
    request = "POST /webhooks/github HTTP/1.1\r\n" + "\r\n".join(lines) + "\r\n\r\n"

    assert hook.raw(request.encode() + BODY).startswith(b"HTTP/1.1 400 ")
    assert hook.kept() == []


def test_a_sender_too_slow_for_the_deadline_is_cut_with_408(running: Callable[[Receiver], Hook]) -> None:
    hook = running(receiver(read_deadline=0.2))
    lines = [f"{name}: {value}" for name, value in headers(BODY).items()]
    head = "POST /webhooks/github HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n" + "\r\n".join(lines)

    assert hook.raw(head.encode() + b"\r\n\r\n{").startswith(b"HTTP/1.1 408 ")


def test_an_endless_head_is_hung_up_on(hook: Hook) -> None:
    with socket.create_connection(hook.address, timeout=20) as connection:
        connection.sendall(b"POST /webhooks/github HTTP/1.1\r\nx: ")

        with pytest.raises(ConnectionError):
            connection.sendall(b"y" * 50_000_000)


def test_while_the_ledger_is_down_it_is_503_and_afterwards_202(hook: Hook) -> None:
    with hook.ledger.write() as tx:
        tx.exec_driver_sql("ALTER TABLE deliveries RENAME TO away")
    down = hook.post().status_code
    with hook.ledger.write() as tx:
        tx.exec_driver_sql("ALTER TABLE away RENAME TO deliveries")

    assert down == 503
    assert hook.post().status_code == 202
    assert hook.counted == [503, 202]


@pytest.mark.parametrize("secrets", [[], ["fifteen letters"], [SECRET, ""]])
def test_without_a_secret_of_sixteen_characters_there_is_no_receiver(secrets: list[str]) -> None:
    with pytest.raises(BadSettings, match="openssl rand -hex 32"):
        Receiver(secrets=secrets, body_cap=CAP, read_deadline=1, interesting=frozenset())
