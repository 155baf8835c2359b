"""Package hosts behind the gateway, with real sockets. The test chooses the addresses of their names."""

import socket
import threading
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import ValidationError

from bot.app.settings.gateway import NetworkSettings
from bot.domain.usage import Reached, Refusal
from bot.gateway.budget import Budget
from bot.gateway.run_gateway import Gateway
from bot.store.data_folder import DataFolder
from bot.store.ledger import Ledger
from tests.gateway.open_gateway import TOKEN, OpenAccessFactory, head, login, plain, tunnel
from tests.gateway.package_host import PUBLIC, PackageHost, until_end
from tests.gateway.sandbox_client import until
from tests.gateway.without_network import output_in_a_sandbox
from tests.support.images import small


def test_a_permitted_host_is_reached_at_the_checked_address(open_access: OpenAccessFactory) -> None:
    with PackageHost.running() as host, open_access(host.net()) as access, access.tunnel() as connection:
        connection.sendall(b"hello")
        connection.shutdown(socket.SHUT_WR)

        assert until_end(connection) == b"hello"  # sent after this side has ended its half
        assert host.dialled == [(PUBLIC, 443)]
        assert access.refused() == []


def test_tunnels_are_counted_by_host(open_access: OpenAccessFactory) -> None:
    with PackageHost.running() as host, open_access(host.net()) as access:
        for target, said in (("pip.test:443", b"12345"), ("pip.test:443", b"1"), ("a.example.org:443", b"")):
            with access.tunnel(target) as connection:
                connection.sendall(said)
                connection.shutdown(socket.SHUT_WR)
                assert until_end(connection) == said
        assert access.status(tunnel("evil.example:443")) == 403

        until(lambda: sum(each.count for each in access.reached()) == 3)
        assert access.reached() == [
            Reached(target="pip.test:443", count=2, sent=6, received=6),
            Reached(target="a.example.org:443", count=1),
        ]


def test_bytes_sent_before_the_response_are_not_lost(open_access: OpenAccessFactory) -> None:
    with PackageHost.running() as host, open_access(host.net()) as access, access.connect() as connection:
        connection.sendall(tunnel("a.b.example.org:443") + b"eager")
        connection.shutdown(socket.SHUT_WR)

        assert head(connection).startswith("HTTP/1.1 200")
        assert until_end(connection) == b"eager"


def test_a_name_that_later_resolves_to_a_private_address_is_refused(open_access: OpenAccessFactory) -> None:
    with PackageHost.running() as host, open_access(host.net()) as access:
        host.answers.append(["127.0.0.1"])

        with access.tunnel():
            assert (host.asked, host.dialled) == (["pip.test"], [(PUBLIC, 443)])
        assert access.status(tunnel("pip.test:443")) == 403

        assert host.dialled == [(PUBLIC, 443)]
        assert access.refused() == [Refusal(target="pip.test:443", reason="not at a public address", count=1)]


def test_a_name_with_one_private_address_among_public_ones_is_refused(open_access: OpenAccessFactory) -> None:
    with PackageHost.running() as host, open_access(host.net()) as access:
        host.answers = [[PUBLIC, "10.0.0.1"]]

        assert access.status(tunnel("pip.test:443")) == 403
        assert host.dialled == []


@pytest.mark.parametrize(
    ("request_", "status", "target", "reason"),
    [
        (tunnel("evil.example:443"), 403, "evil.example:443", "not allowed"),
        (tunnel("example.org:443"), 403, "example.org:443", "not allowed"),
        (tunnel("evilexample.org:443"), 403, "evilexample.org:443", "not allowed"),
        (tunnel("pip.test.evil.example:443"), 403, "pip.test.evil.example:443", "not allowed"),
        (tunnel("pip.test.:443"), 403, "pip.test.:443", "not allowed"),
        (tunnel("a_b%2e.example.org:443"), 403, "a_b%2e.example.org:443", "not allowed"),
        (tunnel(f"{PUBLIC}:443"), 403, f"{PUBLIC}:443", "not allowed"),
        (tunnel("[::1]:443"), 403, "::1:443", "not allowed"),
        (tunnel("pip.test:22"), 403, "pip.test:22", "port not allowed"),
        (tunnel("pip.test:99999"), 400, "CONNECT", "no address"),
        (plain("http://pip.test:8080/x"), 403, "pip.test:8080", "port not allowed"),
        (plain("http://u:secret@evil.example/x"), 403, "evil.example:80", "not allowed"),
        (
            plain("https://pip.test/x"),
            403,
            "pip.test:443",
            "neither a tunnel, nor GET or HEAD by http",
        ),
        (
            plain("http://pip.test/x", "PUT"),
            403,
            "pip.test:80",
            "neither a tunnel, nor GET or HEAD by http",
        ),
    ],
)
def test_a_host_that_is_not_permitted_is_refused_and_counted(
    open_access: OpenAccessFactory, request_: bytes, status: int, target: str, reason: str
) -> None:
    with PackageHost.running() as host, open_access(host.net()) as access:
        assert [access.status(request_) for _ in range(3)] == [status] * 3
        assert access.refused() == [Refusal(target=target, reason=reason, count=3)]
        assert host.asked == []  # the name was not resolved


@pytest.mark.parametrize(
    "headers", ["", login("another run's"), login(user="root"), f"Authorization: Bearer {TOKEN}\r\n"]
)
def test_a_tunnel_without_the_token_of_the_run_is_refused_and_no_name_is_resolved(
    open_access: OpenAccessFactory, headers: str
) -> None:
    with PackageHost.running() as host, open_access(host.net()) as access, access.connect() as connection:
        connection.sendall(tunnel("pip.test:443", headers))
        refusal = head(connection)

        assert refusal.startswith("HTTP/1.1 407")
        assert "proxy-authenticate: Basic" in refusal
        assert access.refused() == [
            Refusal(target="pip.test:443", reason="without this run's token", count=1)
        ]
        assert host.asked == []


def test_a_client_that_sends_its_token_only_on_request_succeeds(open_access: OpenAccessFactory) -> None:
    with PackageHost.running() as host, open_access(host.net()) as access, access.connect() as connection:
        connection.sendall(tunnel("pip.test:443", ""))
        size = next(line for line in head(connection).splitlines() if line.startswith("content-length"))
        connection.recv(int(size.split()[1]), socket.MSG_WAITALL)
        connection.sendall(tunnel("pip.test:443"))

        assert head(connection).startswith("HTTP/1.1 200")


def test_a_plain_request_is_sent_on_without_credentials(open_access: OpenAccessFactory) -> None:
    said, asked, more = bytearray(), threading.Event(), threading.Event()
    reply = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: close\r\n\r\nbytes"

    def serve(connection: socket.socket) -> None:
        while not said.endswith(b"\r\n\r\n"):
            said.extend(connection.recv(65536))
        asked.set()
        assert more.wait(10)
        connection.settimeout(0.2)
        with suppress(TimeoutError):
            said.extend(connection.recv(65536))
        connection.sendall(reply)

    with (
        PackageHost.running(serve) as host,
        open_access(host.net()) as access,
        access.connect() as connection,
    ):
        also = "Range: bytes=5-\r\nCookie: a\r\nAuthorization: b\r\nContent-Length: 3\r\n"
        connection.sendall(plain("http://u:p@pip.test/x/?y=1", also=also) + b"bod")
        assert asked.wait(10)
        connection.sendall(b"POST /smuggled HTTP/1.1\r\n\r\n")
        more.set()

        assert until_end(connection) == reply
        assert host.dialled == [(PUBLIC, 80)]
        assert said == (
            b"GET /x/?y=1 HTTP/1.1\r\nhost: pip.test\r\nrange: bytes=5-\r\nconnection: close\r\n\r\n"
        )


def test_an_agent_gets_a_proxy_if_package_hosts_are_permitted(sqlite_ledger: Ledger, tmp_path: Path) -> None:
    gateway = Gateway(
        data=DataFolder(tmp_path), ledger=sqlite_ledger, link_key=b"k" * 32, providers={}, budget=Budget()
    )

    assert gateway.endpoint("r1") is None
    told = replace(gateway, hosts=["pip.test"]).endpoint("r1")
    assert told is not None
    assert told.packages


def test_hosts_in_the_settings_are_read_in_lower_case() -> None:
    section = NetworkSettings(allow=["Packages.Example.org", "*.example.net"])

    assert section.allow == ["packages.example.org", "*.example.net"]
    assert NetworkSettings().allow == []


@pytest.mark.parametrize(
    "host", ["*", "*.org", "org", "a.*.org", "https://a.org", "a.org:443", "10.0.0.1", "-a.org"]
)
def test_a_text_that_is_not_a_host_cannot_be_permitted(host: str) -> None:
    with pytest.raises(ValidationError, match="which is not a host"):
        NetworkSettings(allow=[host])


_INSIDE = """
import base64, http.client, os, urllib.error, urllib.request
login, _, where = os.environ["HTTPS_PROXY"].removeprefix("http://").rpartition("@")
through = http.client.HTTPConnection(where)
login = "Basic " + base64.b64encode(login.encode()).decode()
through.set_tunnel("pip.test", 443, headers={"Proxy-Authorization": login})
through.request("GET", "/simple/")
print(through.getresponse().read().decode())
print(urllib.request.urlopen("http://deb.example.org/debian").read().decode())
try:
    urllib.request.urlopen("https://evil.example/")
except urllib.error.URLError as error:
    print(error.reason)
"""


@pytest.mark.waits
def test_a_sandbox_without_a_network_gets_packages_through_the_relay(open_access: OpenAccessFactory) -> None:
    def serve(connection: socket.socket) -> None:
        asked = head(connection).split("\r\n")[0]
        connection.sendall(f"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nanswer to {asked}".encode())

    with PackageHost.running(serve) as host, open_access(host.net()) as access:
        said = output_in_a_sandbox(small(), ["python3", "-c", _INSIDE], access)

        assert said == [
            "answer to GET /simple/ HTTP/1.1",
            "answer to GET /debian HTTP/1.1",
            "Tunnel connection failed: 403 refused: evil.example:443: not allowed",
        ]
        assert host.dialled == [(PUBLIC, 443), (PUBLIC, 80)]
        assert access.refused() == [Refusal(target="evil.example:443", reason="not allowed", count=1)]
