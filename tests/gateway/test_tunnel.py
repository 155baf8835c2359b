"""Tunnels to package hosts with a slow, silent or missing end, and a hundred tunnels at once."""

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
from tests.gateway.open_gateway import WITHIN, OpenWay, head, tunnel
from tests.gateway.package_host import PUBLIC, PackageHost, until_end

AT_ONCE = 15.0  # seconds; less than the time limit here for closing connections


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Raise the time limit for closing, so that a slow machine does not exceed it."""
    monkeypatch.setattr(socket_server, "_CLOSE_WITHIN", 2 * AT_ONCE)


def public(_name: str) -> list[Address]:
    return [ip_address(PUBLIC)]


def begun(address: tuple[str, int]) -> socket.socket:
    """Return a socket that is connecting to this address."""
    sock = socket.socket()
    sock.settimeout(0.0)
    sock.connect_ex(address)
    return sock


@contextmanager
def full() -> Iterator[tuple[str, int]]:
    """Yield an address that never accepts: its backlog of one is full, so later connections get no answer."""
    with (
        socket.create_server(("127.0.0.1", 0), backlog=0) as server,
        socket.create_connection(server.getsockname()),
    ):
        yield server.getsockname()


def test_a_client_that_vanishes_ends_the_tunnel(open_way: OpenWay) -> None:
    ended = threading.Event()

    def serve(connection: socket.socket) -> None:
        assert until_end(connection) == b""
        ended.set()

    with PackageHost.running(serve) as host, open_way(host.net()) as way:
        with way.tunnel():
            pass

        assert ended.wait(WITHIN)


def test_a_host_that_never_accepts_the_connection_is_given_up(open_way: OpenWay) -> None:
    with (
        full() as address,
        open_way(Connector(resolve=public, dial=lambda *_: begun(address), connect=0.2)) as way,
    ):
        assert way.status(tunnel("pip.test:443")) == 502
        assert [each.reason for each in way.refused()] == ["not reached: TimeoutError"]


def test_a_host_that_is_down_is_reported(open_way: OpenWay) -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        address = gone.getsockname()

    with open_way(Connector(resolve=public, dial=lambda *_: begun(address))) as way:
        assert way.status(tunnel("pip.test:443")) == 502
        assert [each.reason for each in way.refused()] == ["not reached: ConnectionRefusedError"]


def test_the_next_address_is_tried_where_one_is_down(open_way: OpenWay) -> None:
    with PackageHost.running() as host:
        net = host.net()

        def dial(address: Address, port: int) -> socket.socket:
            if str(address) == PUBLIC:
                raise ConnectionRefusedError
            return net.dial(address, port)

        host.answers = [[PUBLIC, "151.101.64.223"]]
        with open_way(Connector(resolve=net.resolve, dial=dial)) as way, way.tunnel():
            assert host.dialled == [("151.101.64.223", 443)]


def test_a_name_without_an_address_is_reported(open_way: OpenWay) -> None:
    def unknown(_name: str) -> list[Address]:
        raise socket.gaierror

    with open_way(Connector(resolve=unknown)) as way:
        assert way.status(tunnel("pip.test:443")) == 502
        assert [each.reason for each in way.refused()] == ["no address is known"]


def test_an_idle_tunnel_is_ended(open_way: OpenWay) -> None:
    with PackageHost.running() as host, open_way(host.net(idle=0.2)) as way, way.tunnel() as connection:
        assert until_end(connection) == b""


def test_a_reader_that_does_not_read_stops_the_sender(open_way: OpenWay) -> None:
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

    with PackageHost.running(serve) as host, open_way(host.net()) as way, way.tunnel():
        assert stuck.wait(WITHIN)
        assert sent < 1 << 25  # as much as the sockets' buffers hold


def test_the_number_of_tunnels_at_once_is_limited(open_way: OpenWay) -> None:
    with PackageHost.running() as host, open_way(host.net()) as way, ExitStack() as stack:
        before = threading.active_count()
        opened = []
        for _ in range(100):
            connection = stack.enter_context(way.connect())
            connection.sendall(tunnel("pip.test:443"))
            opened.append(connection)
        answers = []
        for connection in opened:
            answers.append(int(head(connection).split()[1]))
            if answers[-1] != 200:
                connection.close()  # makes room for connections in the backlog

        assert (answers.count(200), answers.count(503)) == (32, 68)
        assert threading.active_count() - before <= 64 + 32  # of the gateway and of the host
        assert [each.count for each in way.refused()] == [68]


def test_the_end_of_the_run_ends_its_tunnels_at_once(open_way: OpenWay) -> None:
    over = threading.Event()

    def serve(_connection: socket.socket) -> None:
        over.wait(WITHIN)

    with PackageHost.running(serve) as host, ExitStack() as stack:
        with open_way(host.net()) as way:
            connection = stack.enter_context(way.tunnel())
            before = time.monotonic()
        took = time.monotonic() - before
        over.set()

        assert until_end(connection) == b""
        assert took < AT_ONCE


def test_the_end_of_the_run_does_not_wait_for_hosts(open_way: OpenWay) -> None:
    with full() as address, ExitStack() as stack:
        dialled = threading.Event()

        def dial(*_: object) -> socket.socket:
            dialled.set()
            return begun(address)

        with open_way(Connector(resolve=public, dial=dial, connect=WITHIN)) as way:
            connection = stack.enter_context(way.connect())
            connection.sendall(tunnel("pip.test:443"))
            assert dialled.wait(WITHIN)
            before = time.monotonic()

        assert time.monotonic() - before < AT_ONCE
        assert way.refused() == []
