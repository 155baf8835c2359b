"""Tunnels with a slow, unresponsive or missing end, and a hundred tunnels at once."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from ipaddress import ip_address

import pytest

from bot.gateway import socket_server
from bot.gateway.address_policy import Address
from bot.gateway.package_proxy import Connector
from tests.gateway.open_gateway import WITHIN, OpenAccessFactory, head, tunnel
from tests.gateway.package_host import PUBLIC, PackageHost, until_end

AT_ONCE = 15.0  # seconds; less than the time limit here for closing connections


@pytest.fixture(autouse=True)
def long_time_limit_for_closing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Raise the time limit for closing, so that a slow machine does not exceed it."""
    monkeypatch.setattr(socket_server, "_CLOSE_WITHIN", 2 * AT_ONCE)


def resolve_to_public(_name: str) -> list[Address]:
    return [ip_address(PUBLIC)]


def connecting_socket(address: tuple[str, int]) -> socket.socket:
    """Return a socket that is connecting to this address."""
    sock = socket.socket()
    sock.settimeout(0.0)
    sock.connect_ex(address)
    return sock


@contextmanager
def unresponsive_address() -> Iterator[tuple[str, int]]:
    """Yield an address that never accepts: its backlog of one is full, so later connections get no answer."""
    with (
        socket.create_server(("127.0.0.1", 0), backlog=0) as server,
        socket.create_connection(server.getsockname()),
    ):
        yield server.getsockname()


def test_a_tunnel_ends_if_its_client_disconnects(open_access: OpenAccessFactory) -> None:
    ended = threading.Event()

    def serve(connection: socket.socket) -> None:
        assert until_end(connection) == b""
        ended.set()

    with PackageHost.running(serve) as host, open_access(host.net()) as access:
        with access.tunnel():
            pass

        assert ended.wait(WITHIN)


def test_a_connection_that_a_host_never_accepts_ends_after_the_time_limit(
    open_access: OpenAccessFactory,
) -> None:
    with (
        unresponsive_address() as address,
        open_access(
            Connector(resolve=resolve_to_public, dial=lambda *_: connecting_socket(address), connect=0.2)
        ) as access,
    ):
        assert access.status(tunnel("pip.test:443")) == 502
        assert [each.reason for each in access.refused()] == ["not reached: TimeoutError"]


def test_a_host_that_is_down_is_reported(open_access: OpenAccessFactory) -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        address = gone.getsockname()

    with open_access(
        Connector(resolve=resolve_to_public, dial=lambda *_: connecting_socket(address))
    ) as access:
        assert access.status(tunnel("pip.test:443")) == 502
        assert [each.reason for each in access.refused()] == ["not reached: ConnectionRefusedError"]


def test_the_next_address_is_tried_if_one_is_down(open_access: OpenAccessFactory) -> None:
    with PackageHost.running() as host:
        net = host.net()

        def dial(address: Address, port: int) -> socket.socket:
            if str(address) == PUBLIC:
                raise ConnectionRefusedError
            return net.dial(address, port)

        host.answers = [[PUBLIC, "151.101.64.223"]]
        with open_access(Connector(resolve=net.resolve, dial=dial)) as access, access.tunnel():
            assert host.dialled == [("151.101.64.223", 443)]


def test_a_name_without_an_address_is_reported(open_access: OpenAccessFactory) -> None:
    def unknown(_name: str) -> list[Address]:
        raise socket.gaierror

    with open_access(Connector(resolve=unknown)) as access:
        assert access.status(tunnel("pip.test:443")) == 502
        assert [each.reason for each in access.refused()] == ["no address is known"]


def test_an_idle_tunnel_is_ended(open_access: OpenAccessFactory) -> None:
    with (
        PackageHost.running() as host,
        open_access(host.net(idle=0.2)) as access,
        access.tunnel() as connection,
    ):
        assert until_end(connection) == b""


def test_a_reader_that_does_not_read_stops_the_sender(open_access: OpenAccessFactory) -> None:
    sent = 0
    stuck = threading.Event()

    def serve(connection: socket.socket) -> None:
        nonlocal sent
        connection.settimeout(0.3)
        try:
            while sent < 1 << 28:
                sent += connection.send(bytes(1 << 16))
        except TimeoutError:
            stuck.set()

    with PackageHost.running(serve) as host, open_access(host.net()) as access, access.tunnel():
        assert stuck.wait(WITHIN)
        assert sent < 1 << 25  # as much as the sockets' buffers hold


def test_the_number_of_tunnels_at_once_is_limited(open_access: OpenAccessFactory) -> None:
    with PackageHost.running() as host, open_access(host.net()) as access, ExitStack() as stack:
        before = threading.active_count()
        opened = []
        for _ in range(100):
            connection = stack.enter_context(access.connect())
            connection.sendall(tunnel("pip.test:443"))
            opened.append(connection)
        answers = []
        for connection in opened:
            answers.append(int(head(connection).split()[1]))
            if answers[-1] != 200:
                connection.close()  # makes room for connections in the backlog

        assert (answers.count(200), answers.count(503)) == (32, 68)
        assert threading.active_count() - before <= 64 + 32  # of the gateway and of the host
        assert [each.count for each in access.refused()] == [68]


def test_the_end_of_the_run_ends_its_tunnels_at_once(open_access: OpenAccessFactory) -> None:
    over = threading.Event()

    def serve(_connection: socket.socket) -> None:
        over.wait(WITHIN)

    with PackageHost.running(serve) as host, ExitStack() as stack:
        with open_access(host.net()) as access:
            connection = stack.enter_context(access.tunnel())
            before = time.monotonic()
        took = time.monotonic() - before
        over.set()

        assert until_end(connection) == b""
        assert took < AT_ONCE


def test_the_end_of_the_run_does_not_wait_for_hosts(open_access: OpenAccessFactory) -> None:
    with unresponsive_address() as address, ExitStack() as stack:
        dialled = threading.Event()

        def dial(*_: object) -> socket.socket:
            dialled.set()
            return connecting_socket(address)

        with open_access(Connector(resolve=resolve_to_public, dial=dial, connect=WITHIN)) as access:
            connection = stack.enter_context(access.connect())
            connection.sendall(tunnel("pip.test:443"))
            assert dialled.wait(WITHIN)
            before = time.monotonic()

        assert time.monotonic() - before < AT_ONCE
        assert access.refused() == []
