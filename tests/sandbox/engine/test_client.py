"""Every failure of a connection to the engine is known to the bot: the engine is unavailable."""

import json
import socketserver
import struct
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.domain.errors import EngineUnavailable
from bot.sandbox.engine.containers import Condition, Engine

NAME = "forgehand-t1-1"
_HEAD = b"HTTP/1.1 200 OK\r\nConnection: close\r\n"


def answer(content: bytes) -> bytes:
    return b"%sContent-Length: %d\r\n\r\n%s" % (_HEAD, len(content), content)


def chunked(*chunks: bytes) -> bytes:
    body = b"".join(b"%x\r\n%s\r\n" % (len(each), each) for each in (*chunks, b""))
    return _HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + body


STATE = {"Running": False, "StartedAt": "2026-01-01", "ExitCode": 3, "OOMKilled": False}
INSPECTED = json.dumps({"State": STATE, "Config": {"Tty": False}}).encode()
OUTPUT = [b"one\n", b"two\n", b"three\n"]
USUAL = {
    "/version": answer(b'{"ApiVersion": "1.41"}'),
    "/info": answer(b"{}"),
    "/json": answer(INSPECTED),
    "/logs": chunked(*(struct.pack(">BxxxL", 1, len(line)) + line for line in OUTPUT)),
}
REFUSED = b"HTTP/1.1 %d Away\r\nContent-Length: 0\r\n\r\n"
BROKEN = {
    "no answer": b"",
    "no HTTP": b"SSH-2.0-OpenSSH_9.2\r\n",
    "no status": b"HTTP/1.1\r\n\r\n",
    "no JSON": answer(b'{"State": ]'),
    "no text": answer(b"\xff\x00\xfe"),
    "no chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    "endless header": b"HTTP/1.1 200 OK\r\n" + b"x" * 70_000,
    "bad gateway": REFUSED % 502,
    "unavailable": REFUSED % 503,
    "gateway timeout": REFUSED % 504,
}
CALLS: dict[str, Callable[[Engine], object]] = {
    "condition": lambda engine: engine.condition(NAME),
    "ours": lambda engine: engine.ours(),
    "follow": lambda engine: engine.follow(NAME, 0),
    "check": lambda engine: engine.check(),
    "image": lambda engine: engine.require_image("forgehand-small"),
}


@dataclass
class Peer:
    """A process at the engine's address. `answers` are the bytes by the end of the request's path."""

    url: str = ""
    answers: dict[str, bytes] = field(default_factory=lambda: dict(USUAL))

    def to(self, path: str) -> bytes:
        return next((given for end, given in self.answers.items() if path.split("?")[0].endswith(end)), b"")


@pytest.fixture(scope="module")
def peer() -> Iterator[Peer]:
    peer = Peer()

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            path = self.rfile.readline().split()[1].decode()
            while self.rfile.readline().strip():
                pass
            self.wfile.write(peer.to(path))

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        peer.url = f"tcp://127.0.0.1:{server.server_address[1]}"
        threading.Thread(target=server.serve_forever, args=(0.01,)).start()
        yield peer
        server.shutdown()


def an_engine(peer: Peer) -> Engine:
    return Engine(url=peer.url, instance="none", uid=10001)


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("broken", BROKEN)
def test_a_broken_answer_means_that_the_engine_is_unavailable(peer: Peer, call: str, broken: str) -> None:
    peer.answers = {"/version": USUAL["/version"], "": BROKEN[broken]}

    with pytest.raises(EngineUnavailable):
        CALLS[call](an_engine(peer))


def test_a_broken_answer_to_the_first_request_means_that_the_engine_is_unavailable(peer: Peer) -> None:
    for broken in BROKEN.values():
        peer.answers = {**USUAL, "/version": broken}
        with pytest.raises(EngineUnavailable):
            an_engine(peer).condition(NAME)


@settings(deadline=None)
@given(cut=st.integers(0, len(USUAL["/json"])))
def test_an_answer_that_is_cut_off_is_whole_or_means_that_the_engine_is_unavailable(
    peer: Peer, cut: int
) -> None:
    peer.answers = {**USUAL, "/json": USUAL["/json"][:cut]}

    try:
        condition = an_engine(peer).condition(NAME)
    except EngineUnavailable:
        assert cut < len(USUAL["/json"])
    else:
        assert condition == Condition(running=False, exit_status=3, out_of_memory=False)


@settings(deadline=None)
@given(cut=st.integers(USUAL["/logs"].index(b"\r\n\r\n") + 4, len(USUAL["/logs"])))
def test_a_log_that_is_cut_off_ends_with_its_last_bytes(peer: Peer, cut: int) -> None:
    peer.answers = {**USUAL, "/logs": USUAL["/logs"][:cut]}

    log = an_engine(peer).follow(NAME, 0)
    output = b"".join(log)
    log.close()

    assert b"".join(OUTPUT).startswith(output)
    if cut == len(USUAL["/logs"]):
        assert output == b"".join(OUTPUT)
