"""Package hosts: which of them a run reaches through us as its proxy, and how it is led there.

A name is looked up once. All that it leads to must be public, and one of these very
addresses is connected to, never the name again: to answer differently the next time
gains nothing. What is said in a tunnel is nobody's but theirs, the name in its TLS included.
"""

import hmac
import re
import threading
from base64 import b64encode
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from os import strerror
from select import POLLOUT, poll
from socket import SO_ERROR, SOL_SOCKET, socket
from urllib.parse import urlsplit

import h11

from bot.gateway import address_policy
from bot.gateway.address_policy import Address
from bot.gateway.request_policy import RequestRefused
from bot.gateway.tunnel import Tunnel

# A name of DNS with a dot at least. The last part begins with a letter: no number is a name.
_NAME = r"(?=.{1,253}\Z)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?"
_HOST = re.compile(_NAME)
PATTERN = re.compile(rf"(?:\*\.)?{_NAME}")  # *.example.org stands for all below it, not for itself

_AT_ONCE = 32  # of one run: leaves places for what it asks of models
_TRIES = 4  # addresses of one name
_TUNNEL, _PLAIN = 443, 80  # ports
# What a plain request may say: what apt does, and nothing about whose it is.
_SAID = {
    b"accept", b"accept-encoding", b"cache-control", b"if-match", b"if-modified-since", b"if-none-match",
    b"if-range", b"if-unmodified-since", b"range", b"user-agent",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Net:
    """How the outside is reached. Times in seconds."""

    resolve: Callable[[str], Sequence[Address]] = address_policy.resolve
    dial: Callable[[Address, int], socket] = address_policy.dial
    connect: float = 5.0  # to one address
    idle: float = 120.0  # nothing passes a tunnel


@dataclass(frozen=True, slots=True, kw_only=True)
class TunnelRequest:
    """A host that is asked for, and on which port."""

    host: str
    port: int
    head: bytes = b""  # what it is asked, plainly; b"" = a tunnel is wanted

    @property
    def shown(self) -> str:
        return f"{self.host}:{self.port}"


def is_for_proxy(request: h11.Request) -> bool:
    return request.method == b"CONNECT" or not request.target.startswith((b"/", b"*"))


def wanted(request: h11.Request, token: str) -> TunnelRequest:
    """Judge everything but the host. Raises Refused."""
    method, target = request.method.decode(), request.target.decode("ascii", "replace")
    try:
        parts = urlsplit(f"//{target}" if method == "CONNECT" else target)
        port = parts.port or (_PLAIN if parts.scheme == "http" else _TUNNEL)
    except ValueError:
        raise RequestRefused(400, method, "no address") from None
    asked = TunnelRequest(host=parts.hostname or "", port=port)
    if not _opens(request, token):
        raise RequestRefused(407, asked.shown, "without this run's token")
    if method != "CONNECT" and (parts.scheme != "http" or method not in {"GET", "HEAD"}):
        raise RequestRefused(403, asked.shown, "neither a tunnel, nor GET or HEAD by http")
    if port != (_TUNNEL if method == "CONNECT" else _PLAIN):
        raise RequestRefused(403, asked.shown, "port not allowed")
    if method == "CONNECT":
        return asked
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return TunnelRequest(host=asked.host, port=port, head=_head(f"{method} {path}", asked.host, request))


def _opens(request: h11.Request, token: str) -> bool:
    given = dict(request.headers).get(b"proxy-authorization", b"")
    scheme, _, login = given.partition(b" ")
    return scheme.lower() == b"basic" and hmac.compare_digest(
        login.strip(), b64encode(f"forgehand:{token}".encode())
    )


def _head(what: str, host: str, request: h11.Request) -> bytes:
    said = [b"%s: %s" % header for header in request.headers if header[0] in _SAID]
    lines = [f"{what} HTTP/1.1".encode(), f"host: {host}".encode(), *said, b"connection: close"]
    return b"\r\n".join([*lines, b"", b""])


class Packages:
    """Of one run, for many threads."""

    def __init__(self, hosts: Sequence[str], net: Net | None = None) -> None:
        """`hosts`: patterns as PATTERN has them."""
        self._hosts, self._net = hosts, net or Net()
        self._places = threading.BoundedSemaphore(_AT_ONCE)

    @contextmanager
    def reached(self, host: TunnelRequest, inside: socket) -> Iterator[Tunnel]:
        """For the block, a tunnel from `inside` to it. Raises Refused; OSError once the inside is gone."""
        if not any(_fits(host.host, pattern) for pattern in self._hosts):
            raise RequestRefused(403, host.shown, "not allowed")
        if not self._places.acquire(blocking=False):
            raise RequestRefused(503, host.shown, f"more than {_AT_ONCE} at once")
        try:
            with self._connected(host, inside) as outside:
                yield Tunnel(inside, outside, self._net.idle)
        finally:
            self._places.release()

    def _connected(self, host: TunnelRequest, inside: socket) -> socket:
        try:
            found = self._net.resolve(host.host)
        except OSError:
            raise RequestRefused(502, host.shown, "no address is known") from None
        if not address_policy.all_public(found):
            raise RequestRefused(403, host.shown, "not at a public address")
        failure = OSError()
        for address in found[:_TRIES]:
            try:
                return self._connect(address, host.port, inside)
            except ConnectionAbortedError:
                raise
            except OSError as error:
                failure = error
        raise RequestRefused(502, host.shown, f"not reached: {type(failure).__name__}")

    def _connect(self, address: Address, port: int, inside: socket) -> socket:
        outside = self._net.dial(address, port)
        try:
            self._await(outside, inside)
        except BaseException:
            outside.close()
            raise
        return outside

    def _await(self, outside: socket, inside: socket) -> None:
        """Until it is connected. Raises OSError; ConnectionAbortedError: the inside is gone meanwhile."""
        waiting = poll()
        waiting.register(inside, 0)
        waiting.register(outside, POLLOUT)
        events = dict(waiting.poll(self._net.connect * 1000))
        if inside.fileno() in events:
            raise ConnectionAbortedError
        if not events:
            raise TimeoutError
        if error := outside.getsockopt(SOL_SOCKET, SO_ERROR):
            raise OSError(error, strerror(error))


def _fits(host: str, pattern: str) -> bool:
    if not _HOST.fullmatch(host):
        return False
    return host.endswith(pattern[1:]) if pattern.startswith("*.") else host == pattern
