"""Memory that senders without a secret can take up, in a receiver of its own."""

import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import httpx
import pytest

from bot.store.ledger import Ledger
from tests.support import http
from tests.support.served_receiver import ServedReceiver, served
from tests.support.webhook_receiver import BODY, GITHUB

pytestmark = pytest.mark.waits

MIB = 1 << 20
PATH = f"/webhooks/{GITHUB.sender.forge}"


@pytest.fixture
def receiver(sqlite_ledger: Ledger) -> Iterator[ServedReceiver]:
    with served(str(sqlite_ledger.engine.url)) as receiver:
        assert deliver(receiver, BODY).status_code == 202
        yield receiver


def deliver(receiver: ServedReceiver, body: bytes, **changed: str) -> httpx.Response:
    host, port = receiver.address
    return http.post(f"http://{host}:{port}{PATH}", content=body, headers=GITHUB.headers(body, **changed))


def test_thirty_bodies_of_24_mib_share_64_mib(receiver: ServedReceiver) -> None:
    before = receiver.memory()
    body = b"x" * 24 * MIB

    def send(_: int) -> None:
        with suppress(httpx.HTTPError):  # it may close the connection before the end of the body
            deliver(receiver, body, proof="sha256=" + "0" * 64)

    with ThreadPoolExecutor(30) as threads:
        list(threads.map(send, range(30)))

    grown = receiver.memory() - before
    assert 24 * MIB < grown < 150 * MIB, f"{grown / MIB:.0f} MiB"


def test_requests_whose_answers_are_not_read_take_up_no_memory(receiver: ServedReceiver) -> None:
    before = receiver.memory()
    request = f"GET {PATH} HTTP/1.1\r\nhost: h\r\n\r\n".encode()
    for _ in range(10):
        with socket.create_connection(receiver.address, timeout=20) as connection, suppress(OSError):
            connection.sendall(request * 10_000)
    assert deliver(receiver, BODY).status_code == 202

    grown = receiver.memory() - before
    assert grown < 5 * MIB, f"{grown / MIB:.0f} MiB"


def test_a_large_body_of_small_values_becomes_no_objects_in_the_receiver(receiver: ServedReceiver) -> None:
    before = receiver.memory()
    body = b'{"a": [' + b"{}," * 4 * MIB + b"{}]}"

    assert deliver(receiver, body, id="d-2").status_code == 202

    grown = receiver.memory() - before
    assert grown < 8 * len(body), f"{grown / MIB:.0f} MiB"
