"""The socket of a gate when its run ends, and when it is flooded."""

import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

import pytest

from bot.gateway.address_policy import Address
from bot.gateway.package_proxy import Connector
from tests.gateway.open_gateway import WITHIN, OpenWay, tunnel
from tests.gateway.sandbox_client import MESSAGES, Asker, until


@pytest.mark.long
def test_all_doors_that_do_not_shut_are_waited_for_together(open_way: OpenWay) -> None:
    resolving, over = threading.Semaphore(0), threading.Event()

    def resolve(_name: str) -> Sequence[Address]:
        resolving.release()
        over.wait()
        return []

    with ExitStack() as stack:
        stack.callback(over.set)
        with open_way(Connector(resolve=resolve)) as way:
            for _ in range(3):
                stack.enter_context(way.connect()).sendall(tunnel("pip.test:443"))
            for _ in range(3):
                assert resolving.acquire(timeout=WITHIN)
            before = time.monotonic()

        assert time.monotonic() - before < 8  # for one of them it is 5


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
    """Every place of its gate is taken by one that sends byte after byte as a piece of its own."""
    head = f"POST {MESSAGES} HTTP/1.1\r\nhost: x\r\nx-api-key: {asker.headers['x-api-key']}\r\n"
    before = threading.active_count()
    flood = subprocess.Popen([sys.executable, "-c", _FLOODS, str(asker.path), head])
    try:
        until(lambda: threading.active_count() >= before + 64)
        yield
    finally:
        flood.kill()
        flood.wait()


@pytest.mark.waits
def test_who_floods_a_door_takes_no_turns_of_other_threads(asker: Asker) -> None:
    with asker.gateway.open(asker.run, asker.task), flooded(asker):
        began = time.monotonic()
        for _ in range(40):
            time.sleep(0.001)  # and wait for a turn
        took = time.monotonic() - began

    assert took < 10  # it would be 13, were each of 64 let run before us each time
