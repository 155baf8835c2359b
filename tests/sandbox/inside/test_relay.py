"""The relay in the sandbox, while the gateway is unavailable, comes back, or does not come back."""

import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from http.client import HTTPConnection, HTTPException
from pathlib import Path

import pytest

pytestmark = pytest.mark.waits

WITHIN = 30.0  # seconds, including the start of a process
_SERVE = """
import asyncio, socket, sys
from bot.sandbox.inside import relay
asyncio.run(relay.serve(socket.socket(fileno=int(sys.argv[1])), sys.argv[2], float(sys.argv[3])))
"""

Relayed = Callable[[float], AbstractContextManager[HTTPConnection]]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "gateway"


@pytest.fixture
def relayed(path: Path) -> Relayed:
    """Open a connection through a relay that waits this number of seconds for a gateway."""

    @contextmanager
    def opened(patience: float) -> Iterator[HTTPConnection]:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port, descriptor = listener.getsockname()[1], listener.fileno()
            command = [sys.executable, "-c", _SERVE, str(descriptor), str(path), str(patience)]
            relay = subprocess.Popen(command, pass_fds=[descriptor])
        connection = HTTPConnection("127.0.0.1", port, timeout=WITHIN)
        try:
            yield connection
        finally:
            connection.close()
            relay.kill()
            relay.wait()

    return opened


@contextmanager
def gateway(path: Path) -> Iterator[socket.socket]:
    """Listen at the path. The file remains afterwards, as after the death of a worker."""
    path.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.settimeout(WITHIN)
        listener.bind(str(path))
        listener.listen()
        yield listener


def answer(listener: socket.socket, content: bytes) -> None:
    """Accept one connection and answer its first bytes."""
    taken, _ = listener.accept()
    with taken:
        taken.recv(1 << 16)
        taken.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(content), content))


def test_a_request_waits_for_the_gateway_of_the_next_worker(path: Path, relayed: Relayed) -> None:
    with gateway(path):
        pass  # its worker is dead
    with relayed(WITHIN) as connection:
        connection.request("POST", "/", b"{}")
        with gateway(path) as again:
            answer(again, b"answered")
            assert connection.getresponse().read() == b"answered"


def test_a_connection_ends_with_its_gateway_and_the_next_one_reaches_the_next_gateway(
    path: Path, relayed: Relayed
) -> None:
    with relayed(WITHIN) as connection:
        with gateway(path) as first:
            connection.request("POST", "/", b"{}")
            taken, _ = first.accept()
            taken.close()
            with pytest.raises((HTTPException, OSError)):
                connection.getresponse()
        connection.close()
        connection.request("POST", "/", b"{}")
        with gateway(path) as second:
            answer(second, b"again")
            assert connection.getresponse().read() == b"again"


def test_requests_wait_for_a_gateway_with_a_full_queue(path: Path, relayed: Relayed) -> None:
    with ExitStack() as stack:
        listener = stack.enter_context(gateway(path))
        listener.listen(0)  # one connection may wait
        first = stack.enter_context(relayed(WITHIN))
        all_of_them = [first, *(HTTPConnection(first.host, first.port, timeout=WITHIN) for _ in range(3))]
        for connection in all_of_them:
            stack.callback(connection.close)
            connection.request("POST", "/", b"{}")
        time.sleep(0.3)
        for _ in all_of_them:
            answer(listener, b"in turn")

        assert [each.getresponse().read() for each in all_of_them] == [b"in turn"] * 4


def test_a_client_that_waited_too_long_gets_503_for_a_request_of_any_size(relayed: Relayed) -> None:
    with relayed(0.2) as connection:
        connection.request("POST", "/", b" " * (1 << 20))
        response = connection.getresponse()

        assert (response.status, response.read()) == (503, b"Forgehand: the gateway is not there.\n")
