"""The open access of a run, and a client in its sandbox."""

import base64
import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from bot.domain.usage import Reached, Refusal
from bot.gateway.package_proxy import Connector
from bot.gateway.usage_counter import UsageCounter
from bot.store import usage
from bot.store.ledger import Ledger

TOKEN = "0123456789abcdef" * 4
WITHIN = 30.0  # seconds


def login(token: str = TOKEN, user: str = "forgehand") -> str:
    return f"Proxy-Authorization: Basic {base64.b64encode(f'{user}:{token}'.encode()).decode()}\r\n"


OPENS = login()


def tunnel(target: str, headers: str = OPENS) -> bytes:
    return f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n{headers}\r\n".encode()


def plain(url: str, method: str = "GET", also: str = "") -> bytes:
    return f"{method} {url} HTTP/1.1\r\nHost: elsewhere.example\r\n{OPENS}{also}\r\n".encode()


def head(connection: socket.socket) -> str:
    """Read the head of a response, and no further byte."""
    read = bytearray()
    while not read.endswith(b"\r\n\r\n"):
        byte = connection.recv(1)
        assert byte, bytes(read)
        read += byte
    return read.decode()


class OpenAccess:
    """The open access of a run."""

    def __init__(self, folder: Path, counts: UsageCounter, ledger: Ledger) -> None:
        self.folder, self._counts, self._ledger = folder, counts, ledger

    def connect(self) -> socket.socket:
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(WITHIN)
        connection.connect(str(self.folder / "gateway"))
        return connection

    def status(self, request: bytes) -> int:
        with self.connect() as connection:
            connection.sendall(request)
            return int(head(connection).split()[1])

    @contextmanager
    def tunnel(self, target: str = "pip.test:443") -> Iterator[socket.socket]:
        with self.connect() as connection:
            connection.sendall(tunnel(target))
            assert head(connection).startswith("HTTP/1.1 200")
            yield connection

    def refused(self) -> list[Refusal]:
        with self._ledger.write() as tx:
            self._counts.save(tx)
            return usage.refused(tx, self._counts.run)

    def reached(self) -> list[Reached]:
        with self._ledger.write() as tx:
            self._counts.save(tx)
            return usage.reached(tx, self._counts.run)


OpenAccessFactory = Callable[[Connector], AbstractContextManager[OpenAccess]]
