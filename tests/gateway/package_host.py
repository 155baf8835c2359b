"""A package host on this machine. The gateway reaches it at any address that a test gives to its name."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from ipaddress import IPv4Address, ip_address
from typing import Self

from bot.gateway import address_policy
from bot.gateway.address_policy import Address
from bot.gateway.package_proxy import Connector

PUBLIC = "151.101.0.223"

Serve = Callable[[socket.socket], None]


def until_end(connection: socket.socket) -> bytes:
    """Read until the other side has ended its half of the connection."""
    whole = bytearray()
    while piece := connection.recv(65536):
        whole += piece
    return bytes(whole)


def echo(connection: socket.socket) -> None:
    connection.sendall(until_end(connection))


class PackageHost:
    """A server with one thread a connection. `answers`: its addresses, a list for each lookup."""

    def __init__(self, listener: socket.socket, serve: Serve) -> None:
        self._listener, self._serve = listener, serve
        self._open: list[socket.socket] = []
        self.answers: list[list[str]] = []  # the last one is repeated
        self.asked: list[str] = []  # names
        self.dialled: list[tuple[str, int]] = []

    @classmethod
    @contextmanager
    def running(cls, serve: Serve = echo) -> Iterator[Self]:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            host = cls(listener, serve)
            host.answers.append([PUBLIC])
            thread = threading.Thread(target=host._keep)
            thread.start()
            try:
                yield host
            finally:
                listener.shutdown(socket.SHUT_RDWR)
                thread.join()

    def net(self, *, connect: float = 5.0, idle: float = 30.0) -> Connector:
        return Connector(resolve=self._resolve, dial=self._dial, connect=connect, idle=idle)

    def _resolve(self, name: str) -> list[Address]:
        self.asked.append(name)
        found = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return [ip_address(each) for each in found]

    def _dial(self, address: Address, port: int) -> socket.socket:
        self.dialled.append((str(address), port))
        return address_policy.dial(IPv4Address("127.0.0.1"), self._listener.getsockname()[1])

    def _keep(self) -> None:
        threads = []
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self._open.append(connection)
                threads.append(threading.Thread(target=self._one, args=(connection,)))
                threads[-1].start()
        for connection in self._open:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in threads:
            thread.join()

    def _one(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):
            self._serve(connection)
