"""The socket of a run when the run ends, and during a flood."""

import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

import pytest

from bot.gateway.address_policy import Address
from bot.gateway.package_proxy import Connector
from tests.gateway.open_gateway import WITHIN, OpenAccessFactory, tunnel
from tests.gateway.sandbox_client import MESSAGES, Asker, until


@pytest.mark.long
def test_all_connections_share_one_time_limit_for_closing(open_access: OpenAccessFactory) -> None:
    resolving, over = threading.Semaphore(0), threading.Event()

    def resolve(_name: str) -> Sequence[Address]:
        resolving.release()
        over.wait()
        return []

    with ExitStack() as stack:
        stack.callback(over.set)
        with open_access(Connector(resolve=resolve)) as access:
            for _ in range(3):
                stack.enter_context(access.connect()).sendall(tunnel("pip.test:443"))
            for _ in range(3):
                assert resolving.acquire(timeout=WITHIN)
            before = time.monotonic()

        assert time.monotonic() - before < 8  # one connection may take 5


_FLOODS = """
import socket, sys, threading
def flood():
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(sys.argv[1])
        sock.sendall(sys.argv[2].encode() + b"transfer-encoding: chunked\\r\\n\\r\\n")
        while True:
            sock.sendall(b"1\\r\\na\\r\\n" * 10000)
for _ in range(64):
    threading.Thread(target=flood).start()
"""


@contextmanager
def flooded(asker: Asker) -> Iterator[None]:
    """Open all permitted connections, each of which sends its bytes one by one."""
    head = f"POST {MESSAGES} HTTP/1.1\r\nhost: x\r\nx-api-key: {asker.headers['x-api-key']}\r\n"
    before = set(threading.enumerate())
    flood = subprocess.Popen([sys.executable, "-c", _FLOODS, str(asker.path), head])
    try:
        until(lambda: len(set(threading.enumerate()) - before) >= 64)  # threads of before may end meanwhile
        yield
    finally:
        flood.kill()
        flood.wait()


@pytest.mark.waits
def test_a_flood_does_not_starve_other_threads(asker: Asker) -> None:
    with asker.gateway.open(asker.run, asker.task), flooded(asker):
        began = time.monotonic()
        for _ in range(40):
            time.sleep(0.001)  # gives the interpreter to another thread
        took = time.monotonic() - began

    assert took < 10  # 13 if each of the 64 threads ran first each time
