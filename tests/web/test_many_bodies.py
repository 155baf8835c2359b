"""Many deliveries at once, from senders without a secret."""

import resource
import socket
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace

import pytest

from bot.store.ledger import Ledger
from bot.web import body_limits
from tests.support.waiting import eventually
from tests.support.webhook_receiver import GITHUB, GITLAB, Dialect, Hook, receiving

pytestmark = pytest.mark.waits
PLACES = 256  # for small bodies
MIB = 1 << 20
LARGE = 24 * MIB


@pytest.fixture(autouse=True)
def open_files() -> Iterator[None]:
    """Let the process have 2,000 sockets; the usual limit is 1,024 files."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.fixture(
    params=[pytest.param(GITHUB, id="github"), pytest.param(GITLAB, id="gitlab", marks=pytest.mark.long)]
)
def hook(sqlite_ledger: Ledger, request: pytest.FixtureRequest) -> Iterator[Hook]:
    dialect: Dialect = request.param
    with receiving(sqlite_ledger, dialect, body_cap=25 * MIB) as hook:
        yield hook


def text(size: int) -> bytes:
    return b'{"a": "' + b"x" * size + b'"}'


def opened(connections: ExitStack, hook: Hook, length: int | None, begin: bytes = b"{") -> socket.socket:
    """Begin a delivery with a wrong proof."""
    connection = connections.enter_context(socket.create_connection(hook.address, timeout=20))
    connection.sendall(hook.head(length, proof="sha256=" + "0" * 64) + begin)
    return connection


def test_a_delivery_has_room_beside_1000_that_never_end(hook: Hook) -> None:
    with ExitStack() as connections:
        for _ in range(1000):
            opened(connections, hook, 1000)
        eventually(lambda: len(hook.counted) >= 1000 - PLACES)

        assert hook.post().status_code == 202

        eventually(lambda: len(hook.counted) >= 1000 - PLACES + 2)
        assert Counter(hook.counted) == {503: 1000 - PLACES + 1, 202: 1}


def test_large_bodies_that_never_end_keep_out_only_other_large_ones(
    hook: Hook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(body_limits, "_PATIENCE", 0.2)
    with ExitStack() as connections:
        opened(connections, hook, LARGE)
        opened(connections, hook, LARGE)
        # One byte more than a small body may have: then it could be of any length.
        unknown = opened(connections, hook, None, b"100001\r\n" + b"x" * (MIB + 1) + b"\r\n")
        eventually(lambda: hook.counted == [503])
        opened(connections, hook, LARGE)
        eventually(lambda: hook.counted == [503] * 2)

        assert hook.post().status_code == 202
        assert hook.post(text(15 * MIB), id="d-2").status_code == 202

    unknown.close()
    assert eventually(lambda: hook.post(text(LARGE), id="d-3").status_code == 202)


def test_a_large_body_that_is_not_a_json_object_is_answered_with_400(hook: Hook) -> None:
    event = hook.dialect.ignored
    valid = b'{"a": [' + b"{}," * MIB + b"{}]}"

    assert hook.post(valid).status_code == 202
    assert hook.post(valid, event=event, id="d-2").status_code == 202
    for number, body in enumerate([valid[:-1], valid.replace(b"{}]", b"NaN]"), b"[%b]" % valid]):
        for kind in (hook.dialect.recorded, event):
            assert hook.post(body, event=kind, id=f"e-{number}").status_code == 400
    assert hook.recorded() == [("d-1", hook.dialect.recorded, valid)]


def test_the_signature_of_a_large_body_delays_no_other_delivery(sqlite_ledger: Ledger) -> None:
    begun, answered = threading.Event(), threading.Event()

    def authentic(headers: Mapping[bytes, bytes], body: bytes) -> bool:
        if len(body) > MIB:
            begun.set()
            assert answered.wait(20)
        return GITHUB.sender.authentic(headers, body)

    sender = replace(GITHUB.sender, authentic=authentic)
    with (
        receiving(sqlite_ledger, GITHUB, sender=sender, body_cap=4 * MIB) as hook,
        ThreadPoolExecutor(1) as threads,
    ):
        large = threads.submit(hook.post, text(2 * MIB))
        assert begun.wait(20)
        assert hook.post(id="d-2").status_code == 202
        answered.set()
        assert large.result().status_code == 202
