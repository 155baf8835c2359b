"""The socket of a gate when its run ends."""

import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack

import pytest

from bot.gateway.addresses import Address
from bot.gateway.packages import Net
from tests.gateway.way import WITHIN, OpenWay, tunnel


@pytest.mark.long
def test_all_doors_that_do_not_shut_are_waited_for_together(open_way: OpenWay) -> None:
    resolving, over = threading.Semaphore(0), threading.Event()

    def resolve(_name: str) -> Sequence[Address]:
        resolving.release()
        over.wait()
        return []

    with ExitStack() as stack:
        stack.callback(over.set)
        with open_way(Net(resolve=resolve)) as way:
            for _ in range(3):
                stack.enter_context(way.connect()).sendall(tunnel("pip.test:443"))
            for _ in range(3):
                assert resolving.acquire(timeout=WITHIN)
            before = time.monotonic()

        assert time.monotonic() - before < 8  # for one of them it is 5
