"""What one connection may cost: heads, pipelined requests and answers that nobody takes."""

import asyncio
import gc
import socket
import threading
import time
import weakref
from collections.abc import Coroutine
from typing import Any

import pytest
from starlette.types import ASGIApp, Receive, Scope, Send

from bot.store.ledger import Ledger
from bot.web import server
from bot.web.server import Guarded
from tests.support.asgi_server import listening
from tests.support.webhook_receiver import BODY, GITHUB, receiving

PIECE = 10_000  # bytes
GET = b"GET / HTTP/1.1\r\nhost: h\r\n\r\n"


class App:
    """An application that answers each request with `size` bytes."""

    def __init__(self, size: int = 2) -> None:
        self.size = size
        self.requests = 0
        self.hung_up = threading.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            return
        self.requests += 1
        await receive()
        length = str(self.size).encode()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", length)]})
        answer = b"ok" * (self.size // 2)
        for start in range(0, self.size, PIECE):
            piece = answer[start : start + PIECE]
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body"})
        if (await receive())["type"] == "http.disconnect":
            self.hung_up.set()


def answers(address: tuple[str, int], *sent: bytes) -> bytes:
    """Send these bytes; return all that comes until the server closes the connection."""
    with socket.create_connection(address, timeout=20) as connection:
        try:
            for piece in sent:
                connection.sendall(piece)
            return b"".join(iter(lambda: connection.recv(65536), b""))
        except (BrokenPipeError, ConnectionResetError):  # it closed the connection with data unread
            return b""


def connected(app: ASGIApp, ours: socket.socket) -> Coroutine[Any, Any, tuple[asyncio.Transport, Guarded]]:
    """Serve the application on this socket, in the running loop."""
    web = server.server(app, host="127.0.0.1", port=0)
    web.config.load()
    loop = asyncio.get_running_loop()
    return loop.create_connection(lambda: Guarded(web.config, web.server_state, {}), sock=ours)


def test_of_two_pipelined_requests_only_the_first_is_answered() -> None:
    app = App()
    with listening(app) as address:
        received = answers(address, GET * 2)

    assert received.count(b"HTTP/1.1 200 OK") == app.requests == 1
    assert received.endswith(b"ok")
    assert b"connection: close" in received.lower()


def test_of_many_pipelined_requests_at_most_one_is_worked_on() -> None:
    app = App()
    with listening(app) as address:
        # The answer may be lost: the system resets a connection that is closed with data unread.
        received = answers(address, GET * 10_000)

    assert received.count(b"HTTP/1.1 ") <= app.requests == 1


def test_a_connection_serves_one_request_after_the_other() -> None:
    app = App()
    with listening(app) as address, socket.create_connection(address, timeout=20) as connection:
        for _ in range(3):
            connection.sendall(GET)
            received = b""
            while not received.endswith(b"ok"):
                received += connection.recv(65536)

    assert app.requests == 3


def test_a_connection_that_is_used_again_and_again_stays_open(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "_LOOK", 0.05)
    app = App()
    ends = time.monotonic() + 0.5
    with listening(app) as address, socket.create_connection(address, timeout=20) as connection:
        while time.monotonic() < ends:
            connection.sendall(GET)
            received = b""
            while not received.endswith(b"ok"):
                piece = connection.recv(65536)
                assert piece, f"closed after {app.requests} requests"
                received += piece

    assert app.requests > 20


@pytest.mark.parametrize(("count", "status"), [(100, b"200"), (101, b"400"), (9_000, b"400")])
def test_a_head_with_more_than_100_headers_is_refused(count: int, status: bytes) -> None:
    app = App()
    with listening(app) as address:
        received = answers(
            address, b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * (count - 1) + b"connection: close\r\n\r\n"
        )

    assert received.startswith(b"HTTP/1.1 " + status)
    assert app.requests == (1 if status == b"200" else 0)


def test_a_head_over_the_limit_in_one_read_is_not_answered() -> None:
    app = App()
    ours, theirs = socket.socketpair()

    async def read() -> bytes:
        _, protocol = await connected(app, ours)
        protocol.data_received(b"GET / HTTP/1.1\r\nhost: h\r\nx-long: " + b"a" * 100_000 + b"\r\n\r\n")
        theirs.settimeout(0)
        return await asyncio.get_running_loop().sock_recv(theirs, 1000)

    with theirs:
        assert (asyncio.run(read()), app.requests) == (b"", 0)


def test_a_closed_connection_is_not_kept_in_memory() -> None:
    ours, theirs = socket.socketpair()

    async def close() -> "weakref.ref[Guarded]":
        _, protocol = await connected(App(), ours)
        theirs.close()
        while protocol in protocol.connections:
            await asyncio.sleep(0)
        return weakref.ref(protocol)

    async def is_kept() -> bool:
        connection = await close()
        gc.collect()
        return connection() is not None

    assert not asyncio.run(is_kept())


def test_a_long_head_and_its_body_in_one_read_are_accepted(sqlite_ledger: Ledger) -> None:
    body = b'{"a": "' + b"x" * 90_000 + b'"}'
    with receiving(sqlite_ledger, GITHUB) as hook:
        head = hook.head(len(body), body, x_long="a" * 60_000, connection="close")
        received = hook.raw(head + body)

    assert received.startswith(b"HTTP/1.1 202")


def test_a_body_that_is_not_valid_is_answered_with_400(sqlite_ledger: Ledger) -> None:
    with receiving(sqlite_ledger, GITHUB) as hook:
        received = hook.raw(hook.head(None, BODY) + b"no size\r\n")

    assert received.startswith(b"HTTP/1.1 400")


def test_a_connection_whose_answer_is_not_taken_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "_LOOK", 0.05)
    monkeypatch.setattr(server, "_ANSWER_DEADLINE", 0.2)
    app = App(size=20_000_000)  # more than the buffers of both sockets
    with listening(app) as address, socket.create_connection(address, timeout=20) as connection:
        connection.sendall(GET)
        assert app.hung_up.wait(20)
        taken = sum(len(piece) for piece in iter(lambda: connection.recv(65536), b""))

    assert taken < app.size


def test_a_slow_client_gets_the_whole_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "_LOOK", 0.02)
    monkeypatch.setattr(server, "_ANSWER_DEADLINE", 3.0)
    app = App(size=40_000_000)  # more than the buffers of both sockets
    began = time.monotonic()
    with listening(app) as address, socket.create_connection(address, timeout=20) as connection:
        connection.sendall(GET)
        received = 0
        while piece := connection.recv(200_000):
            received += len(piece)
            if received >= app.size:
                break
            time.sleep(0.02)

    assert received >= app.size
    assert time.monotonic() - began > 3.5, "it was not slow"
