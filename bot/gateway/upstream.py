"""One connection to a provider, which lives as long as the sandbox's connection, and the permitted headers.

It uses the standard library's client, because another thread can cut its socket while it
waits: an agent that is stopped must not continue to cost money.
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
_SILENCE = 600.0  # seconds without a byte: a model may think for that long before it answers
# Headers of one connection only (RFC 9110, 7.6.1), and those that http.client sends itself.
_HOP = {
    b"connection", b"keep-alive", b"proxy-authenticate", b"proxy-authorization", b"proxy-connection", b"te",
    b"trailer", b"transfer-encoding", b"upgrade", b"host", b"content-length", b"expect",
}  # fmt: skip
# Headers that an agent may not send: they choose the payer, another operation, or a form of the response that
# cannot be parsed here.
_OURS = {
    b"authorization", b"x-api-key", b"api-key", b"x-goog-api-key", b"x-goog-user-project", b"cookie",
    b"openai-organization", b"openai-project", b"accept-encoding", b"x-goog-fieldmask",
    b"x-http-method-override",
}  # fmt: skip
_NOT_BACK = (_HOP - {b"content-length"}) | {b"set-cookie"}

FAILURES = (OSError, HTTPException)  # errors that any use of an Upstream may raise


class Upstream:
    """A connection that opens on first use, and again if the provider has closed it."""

    def __init__(self, provider: Provider) -> None:
        self.provider = provider
        self._connection: HTTPConnection | None = None
        self._is_cut = False
        self._prefix = urlsplit(provider.url).path.rstrip("/")

    def send(self, target: str, headers: Headers, body: bytes) -> HTTPResponse:
        """Send a request with the real key. Raises FAILURES, which include TimeoutError."""
        try:
            return self._request(target, headers, body)
        except FAILURES:
            # The socket may still be connected to a proxy without a tunnel, which would read the next key.
            self.close()
            raise

    def cut(self) -> None:
        """End the connection at once for a thread that reads or writes."""
        self._is_cut = True
        sock = self._connection and self._connection.sock
        if sock:
            with suppress(OSError):
                # Not the method of SSLSocket, which removes the TLS state while another thread reads.
                socket.shutdown(sock, SHUT_RDWR)

    def close(self) -> None:
        if self._connection:
            self._connection.close()

    def _request(self, target: str, headers: Headers, body: bytes) -> HTTPResponse:
        connection = self._connected()
        connection.putrequest("POST", self._prefix + target, skip_accept_encoding=True)
        for name, value in forwarded(headers, _HOP | _OURS):
            connection.putheader(name.decode("ascii"), value)
        if credential := self.provider.credential():
            connection.putheader(*credential)
        connection.putheader("accept-encoding", "identity")
        connection.putheader("content-length", str(len(body)))
        connection.endheaders(body)
        return connection.getresponse()

    def _connected(self) -> HTTPConnection:
        self._connection = connection = self._connection or _connection(self.provider.url)
        if connection.sock is not None and _is_closed(connection.sock):
            connection.close()
        if connection.sock is None:
            connection.connect()
            _set_timeout(connection)
        if self._is_cut:
            raise ConnectionAbortedError
        return connection


def response_headers(response: HTTPResponse) -> Headers:
    """Return the headers of a response that are passed to the agent."""
    headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in response.getheaders()]
    return forwarded(headers, _NOT_BACK)


def forwarded(headers: Headers, without: Iterable[bytes]) -> Headers:
    """Return the headers except these, and except those that `connection` limits to one connection."""
    own = {
        option.strip().lower()
        for name, value in headers
        if name.lower() == b"connection"
        for option in value.split(b",")
    }
    omitted = own.union(without)
    return [(name, value) for name, value in headers if name.lower() not in omitted]


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
    login = f"{unquote(user)}:{unquote(password or '')}".encode()
    return {"Proxy-Authorization": f"Basic {b64encode(login).decode()}"}


def _set_timeout(connection: HTTPConnection) -> None:
    connection.sock.settimeout(_SILENCE)


def _is_closed(sock: socket) -> bool:
    """Report whether the provider has closed the connection.

    No request is pending, so readable data means just that.
    """
    waiting = poll()
    waiting.register(sock, POLLIN)
    return bool(waiting.poll(0))
