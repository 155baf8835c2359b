"""Tunnels to package hosts, when one of their ends is slow, silent, gone, or a hundred."""

import socket
import threading
from contextlib import ExitStack
from ipaddress import ip_address

from bot.gateway.packages import Net
from tests.gateway.package_host import PUBLIC, PackageHost, until_end
from tests.gateway.way import WITHIN, OpenWay, head, tunnel


def test_a_client_that_vanishes_ends_the_tunnel(open_way: OpenWay) -> None:
    ended = threading.Event()

    def serve(connection: socket.socket) -> None:
        assert until_end(connection) == b""
        ended.set()

    with PackageHost.running(serve) as host, open_way(host.net()) as way:
        with way.tunnel():
            pass

        assert ended.wait(WITHIN)


def test_a_host_that_never_takes_the_connection_is_given_up(open_way: OpenWay) -> None:
    # A queue of one that is full: what comes next is not answered at all.
    with (
        PackageHost.running() as host,
        socket.create_server(("127.0.0.1", 0), backlog=0) as full,
        socket.create_connection(full.getsockname()),
    ):
        net = host.net(connect=0.2)
        dead = Net(resolve=net.resolve, dial=lambda *_: _begun(full), connect=0.2, idle=30.0)
        with open_way(dead) as way:
            assert way.status(tunnel("pip.test:443")) == 502
            assert [each.reason for each in way.refused()] == ["not reached: TimeoutError"]


def _begun(server: socket.socket) -> socket.socket:
    sock = socket.socket()
    sock.settimeout(0.0)
    sock.connect_ex(server.getsockname())
    return sock


def test_a_host_that_is_down_is_said_to_be(open_way: OpenWay) -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        address = gone.getsockname()

    def dial(*_: object) -> socket.socket:
        sock = socket.socket()
        sock.settimeout(0.0)
        sock.connect_ex(address)
        return sock

    with open_way(Net(resolve=lambda _: [ip_address(PUBLIC)], dial=dial)) as way:
        assert way.status(tunnel("pip.test:443")) == 502
        assert [each.reason for each in way.refused()] == ["not reached: ConnectionRefusedError"]


def test_a_tunnel_in_which_nothing_moves_is_ended(open_way: OpenWay) -> None:
    with PackageHost.running() as host, open_way(host.net(idle=0.2)) as way, way.tunnel() as connection:
        assert until_end(connection) == b""


def test_a_reader_that_does_not_read_stops_who_sends(open_way: OpenWay) -> None:
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
        assert sent < 1 << 25  # what the buffers of sockets hold


def test_a_hundred_at_once_are_bounded(open_way: OpenWay) -> None:
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
                connection.close()  # makes place for those who wait

        assert (answers.count(200), answers.count(503)) == (32, 68)
        assert threading.active_count() - before <= 64 + 32  # ours, and the host's own
        assert [each.count for each in way.refused()] == [68]


def test_the_end_of_the_run_ends_its_tunnels(open_way: OpenWay) -> None:
    with PackageHost.running() as host, ExitStack() as stack:
        with open_way(host.net(idle=WITHIN)) as way:
            connection = stack.enter_context(way.tunnel())

        assert until_end(connection) == b""
