"""The HTTP proxy of a run for package hosts: the check of each request, and the connection to the host.

A name is resolved once. All its addresses must be public, and the connection goes to one of
these addresses, so a DNS server gains nothing by another answer the next time. The content
of a tunnel is not inspected, nor is the host name in its TLS.
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

# A DNS name with at least one dot. The last part begins with a letter, so that an IP address is not a name.
_NAME = r"(?=.{1,253}\Z)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?"
_HOST = re.compile(_NAME)
PATTERN = re.compile(rf"(?:\*\.)?{_NAME}")  # *.example.org matches all names below it, not example.org

_AT_ONCE = 32  # tunnels of one run, which leaves connections for requests to models
_TRIES = 4  # addresses of one name
_TUNNEL, _PLAIN = 443, 80  # ports
# Headers of a plain request that are sent on: those of apt, and none with credentials or an identity.
_FORWARDED = {
    b"accept", b"accept-encoding", b"cache-control", b"if-match", b"if-modified-since", b"if-none-match",
    b"if-range", b"if-unmodified-since", b"range", b"user-agent",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Connector:
    """The functions and time limits, in seconds, for connections to hosts."""

    resolve: Callable[[str], Sequence[Address]] = address_policy.resolve
    dial: Callable[[Address, int], socket] = address_policy.dial
    connect: float = 5.0  # for one address
    idle: float = 120.0  # without a byte in a tunnel


@dataclass(frozen=True, slots=True, kw_only=True)
class TunnelRequest:
    """A request for a connection to a host."""

    host: str
    port: int
    head: bytes = b""  # of a plain HTTP request to send on; b"" = a tunnel is requested

    @property
    def shown(self) -> str:
        """Host and port for people."""
        return f"{self.host}:{self.port}"


def is_for_proxy(request: h11.Request) -> bool:
    """Return True for a request to a proxy: CONNECT, or a target that is a whole address."""
    return request.method == b"CONNECT" or not request.target.startswith((b"/", b"*"))


def tunnel_request(request: h11.Request, token: str) -> TunnelRequest:
    """Check everything except the host. Raises RequestRefused."""
    method, target = request.method.decode(), request.target.decode("ascii", "replace")
    try:
        parts = urlsplit(f"//{target}" if method == "CONNECT" else target)
        port = parts.port or (_PLAIN if parts.scheme == "http" else _TUNNEL)
    except ValueError:
        raise RequestRefused(400, method, "no address") from None
    requested = TunnelRequest(host=parts.hostname or "", port=port)
    if not _has_token(request, token):
        raise RequestRefused(407, requested.shown, "without this run's token")
    if method != "CONNECT" and (parts.scheme != "http" or method not in {"GET", "HEAD"}):
        raise RequestRefused(403, requested.shown, "neither a tunnel, nor GET or HEAD by http")
    if port != (_TUNNEL if method == "CONNECT" else _PLAIN):
        raise RequestRefused(403, requested.shown, "port not allowed")
    if method == "CONNECT":
        return requested
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    head = _head(f"{method} {path}", requested.host, request)
    return TunnelRequest(host=requested.host, port=port, head=head)


def _has_token(request: h11.Request, token: str) -> bool:
    header = dict(request.headers).get(b"proxy-authorization", b"")
    scheme, _, login = header.partition(b" ")
    return scheme.lower() == b"basic" and hmac.compare_digest(
        login.strip(), b64encode(f"forgehand:{token}".encode())
    )


def _head(start: str, host: str, request: h11.Request) -> bytes:
    forwarded = [b"%s: %s" % header for header in request.headers if header[0] in _FORWARDED]
    lines = [f"{start} HTTP/1.1".encode(), f"host: {host}".encode(), *forwarded, b"connection: close"]
    return b"\r\n".join([*lines, b"", b""])


class PackageProxy:
    """The proxy of one run, for many threads."""

    def __init__(self, hosts: Sequence[str], connector: Connector | None = None) -> None:
        """Permit these `hosts`, which are in the form of PATTERN."""
        self._hosts, self._connector = hosts, connector or Connector()
        self._places = threading.BoundedSemaphore(_AT_ONCE)

    @contextmanager
    def tunnel_to(self, request: TunnelRequest, inside: socket) -> Iterator[Tunnel]:
        """Open a tunnel from `inside` to the requested host for the block.

        Raises RequestRefused; OSError if `inside` is closed meanwhile.
        """
        if not any(_fits(request.host, pattern) for pattern in self._hosts):
            raise RequestRefused(403, request.shown, "not allowed")
        if not self._places.acquire(blocking=False):
            raise RequestRefused(503, request.shown, f"more than {_AT_ONCE} at once")
        try:
            with self._connected(request, inside) as outside:
                yield Tunnel(inside, outside, self._connector.idle)
        finally:
            self._places.release()

    def _connected(self, request: TunnelRequest, inside: socket) -> socket:
        try:
            addresses = self._connector.resolve(request.host)
        except OSError:
            raise RequestRefused(502, request.shown, "no address is known") from None
        if not address_policy.all_public(addresses):
            raise RequestRefused(403, request.shown, "not at a public address")
        failure = OSError()
        for address in addresses[:_TRIES]:
            try:
                return self._connect(address, request.port, inside)
            except ConnectionAbortedError:
                raise
            except OSError as error:
                failure = error
        raise RequestRefused(502, request.shown, f"not reached: {type(failure).__name__}")

    def _connect(self, address: Address, port: int, inside: socket) -> socket:
        outside = self._connector.dial(address, port)
        try:
            self._await(outside, inside)
        except BaseException:
            outside.close()
            raise
        return outside

    def _await(self, outside: socket, inside: socket) -> None:
        """Wait until `outside` is connected. Raises OSError; ConnectionAbortedError if `inside` closes."""
        waiting = poll()
        waiting.register(inside, 0)
        waiting.register(outside, POLLOUT)
        events = dict(waiting.poll(self._connector.connect * 1000))
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
