"""One connection to a provider, kept for as long as the one it serves, and what may be told there.

The standard library's client, because its socket can be cut from another thread
while it waits: an agent that is stopped must not go on costing money.
"""

import ssl
from base64 import b64encode
from collections.abc import Iterable
from contextlib import suppress
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from select import POLLIN, poll
from socket import SHUT_RDWR, socket
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

from bot.gateway.providers import Provider

Headers = list[tuple[bytes, bytes]]

_CONNECT = 10.0  # seconds
_SILENCE = 600.0  # seconds without a byte: some answers are thought about for that long
# Of one connection only (RFC 9110, 7.6.1), or what http.client says itself.
_HOP = {
    b"connection", b"keep-alive", b"proxy-authenticate", b"proxy-authorization", b"proxy-connection", b"te",
    b"trailer", b"transfer-encoding", b"upgrade", b"host", b"content-length", b"expect",
}  # fmt: skip
# What an agent may not say: who pays, what is done instead, and in which form it wants the answer, which we
# must be able to read.
_OURS = {
    b"authorization", b"x-api-key", b"api-key", b"x-goog-api-key", b"x-goog-user-project", b"cookie",
    b"openai-organization", b"openai-project", b"accept-encoding", b"x-goog-fieldmask",
    b"x-http-method-override",
}  # fmt: skip
_NOT_BACK = (_HOP - {b"content-length"}) | {b"set-cookie"}

FAILURES = (OSError, HTTPException)  # what any use of it may raise


class Upstream:
    """Connects when it is first used, and again where the provider has hung up since."""

    def __init__(self, route: Provider) -> None:
        self.route = route
        self._connection: HTTPConnection | None = None
        self._is_cut = False
        self._prefix = urlsplit(route.url).path.rstrip("/")

    def ask(self, target: str, headers: Headers, body: bytes) -> HTTPResponse:
        """Send it with the real key. Raises FAILURES; TimeoutError is one of them."""
        try:
            return self._asked(target, headers, body)
        except FAILURES:
            # What is left may be a proxy without its tunnel, which would read the next key.
            self.close()
            raise

    def cut(self) -> None:
        """Let whoever reads or writes here see the end at once."""
        self._is_cut = True
        sock = self._connection and self._connection.sock
        if sock:
            with suppress(OSError):
                # Not its own method, which takes the TLS away from under who reads.
                socket.shutdown(sock, SHUT_RDWR)

    def close(self) -> None:
        if self._connection:
            self._connection.close()

    def _asked(self, target: str, headers: Headers, body: bytes) -> HTTPResponse:
        connection = self._connected()
        connection.putrequest("POST", self._prefix + target, skip_accept_encoding=True)
        for name, value in forwarded(headers, _HOP | _OURS):
            connection.putheader(name.decode("ascii"), value)
        if credential := self.route.credential():
            connection.putheader(*credential)
        connection.putheader("accept-encoding", "identity")
        connection.putheader("content-length", str(len(body)))
        connection.endheaders(body)
        return connection.getresponse()

    def _connected(self) -> HTTPConnection:
        self._connection = connection = self._connection or _connection(self.route.url)
        if connection.sock is not None and _has_news(connection.sock):
            connection.close()
        if connection.sock is None:
            connection.connect()
            _be_patient(connection)
        if self._is_cut:
            raise ConnectionAbortedError
        return connection


def answered(response: HTTPResponse) -> Headers:
    """What an agent is told of an answer's headers."""
    headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in response.getheaders()]
    return forwarded(headers, _NOT_BACK)


def forwarded(headers: Headers, without: Iterable[bytes]) -> Headers:
    """Leave out these, and what the headers themselves say is of one connection only."""
    own = {
        option.strip().lower()
        for name, value in headers
        if name.lower() == b"connection"
        for option in value.split(b",")
    }
    left_out = own.union(without)
    return [(name, value) for name, value in headers if name.lower() not in left_out]


def _connection(url: str) -> HTTPConnection:
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.scheme == "http":
        return HTTPConnection(host, parts.port, timeout=_CONNECT)
    context = ssl.create_default_context()  # the system's authorities, or SSL_CERT_FILE's
    proxy = urlsplit(getproxies().get("https", ""))
    if not proxy.hostname or proxy_bypass(host):
        return HTTPSConnection(host, parts.port, timeout=_CONNECT, context=context)
    through = HTTPSConnection(proxy.hostname, proxy.port or 80, timeout=_CONNECT, context=context)
    through.set_tunnel(host, parts.port or 443, headers=_login(proxy.username, proxy.password))
    return through


def _login(user: str | None, password: str | None) -> dict[str, str]:
    if user is None:
        return {}
    given = f"{unquote(user)}:{unquote(password or '')}".encode()
    return {"Proxy-Authorization": f"Basic {b64encode(given).decode()}"}


def _be_patient(connection: HTTPConnection) -> None:
    connection.sock.settimeout(_SILENCE)


def _has_news(sock: socket) -> bool:
    """Nobody has asked anything: what can be read now is a farewell."""
    waiting = poll()
    waiting.register(sock, POLLIN)
    return bool(waiting.poll(0))
