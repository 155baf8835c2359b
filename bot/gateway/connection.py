"""One connection from a sandbox: each request checked, sent on with the real key, its response passed back.

Each piece of a provider's response is passed on as it arrives, before it is parsed, so that an
agent receives every word without delay.
"""

import json
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from http import HTTPStatus
from http.client import HTTPResponse

import h11

from bot.domain.outcomes import Outcome
from bot.domain.usage import Tokens
from bot.gateway.endpoint import REFUSAL_PREFIX
from bot.gateway.package_proxy import is_for_proxy, tunnel_request
from bot.gateway.providers import Provider
from bot.gateway.rate_limits import ends_at
from bot.gateway.request_policy import ModelRequest, RequestRefused, admit, requested_model
from bot.gateway.run_access import RunAccess
from bot.gateway.token_meter import TokenMeter
from bot.gateway.upstream import FAILURES, Upstream, response_headers
from bot.gateway.usage_counter import ResponseUsage

_PIECE = 64 << 10  # bytes of one read
_BODY = 64 << 20  # bytes of a request's body, at most
_HEAD = 64 << 10  # bytes of its headers, at most
_REASON = 200  # characters
_LINGER = 2.0  # seconds for an agent to stop sending after the connection is closed on this side

_REFUSED_KEY = {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}
_BUSY = {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE, 529}  # 529: Anthropic's "overloaded"
_ERROR_TYPES = {401: "authentication_error", 413: "request_too_large", 429: "rate_limit_error"}


class GatewayConnection:
    """A connection that the thread calling `serve` serves; another thread may call `cut`."""

    def __init__(self, sock: socket.socket, access: RunAccess) -> None:
        self._sock, self._access = sock, access
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=_HEAD)
        self._upstream: Upstream | None = None
        self._is_cut = False

    def serve(self) -> None:
        """Answer requests until either side ends the connection. Raises nothing."""
        try:
            while self._serve_one():
                self._http.start_next_cycle()
        except (OSError, h11.ProtocolError):
            pass  # one of the two sides is gone, or no longer speaks HTTP
        finally:
            self._linger()
            self._sock.close()
            if self._upstream:
                self._upstream.close()

    def cut(self) -> None:
        """End the connection now, even in the middle of a response."""
        self._is_cut = True
        with suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)
        if self._upstream:
            self._upstream.cut()

    def _serve_one(self) -> bool:
        """Receive one request and answer it. Return True if another can follow."""
        try:
            request = self._next()
        except h11.RemoteProtocolError as error:
            self._refuse(error.error_status_hint, "no HTTP")
            return False
        if not isinstance(request, h11.Request):
            return False
        try:
            if is_for_proxy(request):
                self._tunnel(request)
            else:
                self._answer(request, admit(request, self._access.token, self._access.providers))
        except RequestRefused as refused:
            self._access.record_refusal(refused.target, refused.reason)
            self._drain()
            self._refuse(refused.status, f"refused: {refused.target}: {refused.reason}")
        return self._http.our_state is h11.DONE and self._http.their_state is h11.DONE

    def _body(self, request: ModelRequest, reserve: Callable[[int], bool]) -> bytes:
        whole = bytearray()
        while isinstance(event := self._next(), h11.Data):
            if len(whole) + len(event.data) > _BODY or not reserve(len(event.data)):
                raise RequestRefused(413, request.shown, "too much at once")
            whole += event.data
        return bytes(whole)

    def _answer(self, http_request: h11.Request, request: ModelRequest) -> None:
        access, provider = self._access, request.provider
        with access.reserved_memory() as reserve:
            body = self._body(request, reserve)
            model = requested_model(request, body)
            price = provider.price(model)
            if access.run_budget.in_dollars and price is None:
                raise RequestRefused(
                    403, request.shown, f"[models.{provider.name}] prices has no price for {model[:100]!r}"
                )
            if not access.admit(model, price):
                raise RequestRefused(403, request.shown, "over budget")
            try:
                response = self._to(provider).send(request.target, list(http_request.headers), body)
            except FAILURES as error:
                if self._is_cut:
                    raise ConnectionAbortedError from None
                access.record_unreachable(provider, error)
                text = f"{provider.name} cannot be reached: {type(error).__name__}"
                self._refuse(HTTPStatus.BAD_GATEWAY, text)
                return
            del body  # a response may take minutes
        with response:
            self._note_status(provider, response)
            self._pass_back(provider, response, ResponseUsage(access.counter, model, price))

    def _tunnel(self, http_request: h11.Request) -> None:
        """Serve a tunnel to a package host. Afterwards the connection cannot be used for anything else."""
        request = tunnel_request(http_request, self._access.token)
        self._drain()
        with self._access.packages.tunnel_to(request, self._sock) as tunnel:
            first = request.head
            if not first:
                self._send(h11.Response(status_code=200, headers=[]))
                first, _ = self._http.trailing_data
            try:
                tunnel.forward(first, both_ways=not request.head)
            finally:
                self._access.counter.add_tunnel(request.shown, tunnel.sent, tunnel.received)

    def _to(self, provider: Provider) -> Upstream:
        """Return the open connection if it leads to this provider, else a new one."""
        if self._upstream is None or self._upstream.provider is not provider:
            if self._upstream:
                self._upstream.close()
            self._upstream = Upstream(provider)
        if self._is_cut:  # `cut` may have been called before there was a connection to cut
            raise ConnectionAbortedError
        return self._upstream

    def _note_status(self, provider: Provider, response: HTTPResponse) -> None:
        """Record a refused key or a rate limit for the run."""
        access, status = self._access, response.status
        if status in _REFUSED_KEY:
            access.request_stop(
                Outcome.AGENT_FAILED,
                f"{provider.name} refused the bot's key (HTTP {status}): see [models.{provider.name}] key.",
            )
        if status in _BUSY or status in _REFUSED_KEY:
            access.record_refusal(provider.name, f"the provider answered {status}")
        access.limited = status == HTTPStatus.TOO_MANY_REQUESTS
        access.limited_until = ends_at(dict(response.getheaders()), time.time()) if access.limited else None

    def _pass_back(self, provider: Provider, response: HTTPResponse, usage: ResponseUsage) -> None:
        readable = response.getheader("content-encoding", "identity") == "identity"
        meter, data = TokenMeter(response.getheader("content-type", "") if readable else ""), b""
        try:
            self._send(h11.Response(status_code=response.status, headers=response_headers(response)))
            while data := self._more(provider, response):
                self._send(h11.Data(data=data))
                meter.feed(data)
                usage.update(meter.so_far())
            self._send(h11.EndOfMessage())
        except (BrokenPipeError, ConnectionResetError):
            # The agent has hung up. The response costs money all the same: read it up to its token counts.
            meter.feed(data)
            while meter.so_far() == Tokens() and (data := self._more(provider, response)):
                meter.feed(data)
            raise
        finally:
            usage.update(meter.tokens())
            if meter.error:
                self._access.record_refusal(provider.name, f"the provider answered {meter.error} in a stream")

    def _more(self, provider: Provider, response: HTTPResponse) -> bytes:
        """Return the next piece of a response, b"" at its end. Raises ConnectionAbortedError if it is cut."""
        with suppress(*FAILURES):
            data = response.read1(_PIECE)
            if data or not response.length:  # None: the response has no content-length
                return data
        if not self._is_cut:
            self._access.record_refusal(provider.name, "broke off its answer")
        raise ConnectionAbortedError

    def _next(self) -> object:
        while True:
            if self._http.they_are_waiting_for_100_continue:
                self._send(h11.InformationalResponse(status_code=100, headers=[]))
            if self._is_cut:
                raise ConnectionAbortedError
            with self._access.reading:
                event = self._http.next_event()
            if event is not h11.NEED_DATA:
                return event
            self._http.receive_data(self._sock.recv(_PIECE))

    def _drain(self) -> None:
        """Read the rest of the request: until it is sent, the agent does not read the response."""
        remaining = _BODY
        while self._http.their_state is h11.SEND_BODY and remaining > 0:
            if isinstance(event := self._next(), h11.Data):
                remaining -= len(event.data)

    def _linger(self) -> None:
        """Read before closing: a close with unread bytes resets the connection and discards the response."""
        with suppress(OSError):
            self._sock.shutdown(socket.SHUT_WR)
            self._sock.settimeout(_LINGER)
            end = time.monotonic() + _LINGER
            while time.monotonic() < end and self._sock.recv(_PIECE):
                pass

    def _refuse(self, status: int, text: str) -> None:
        """Send an error in a shape in which every known client finds the message."""
        error = {
            "type": _ERROR_TYPES.get(status, "permission_error" if status == 403 else "api_error"),
            "message": f"{REFUSAL_PREFIX}{text}",
            "code": status,
        }
        body = json.dumps({"type": "error", "error": error}).encode()
        headers = [("content-type", "application/json"), ("content-length", str(len(body)))]
        if status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
            headers.append(("proxy-authenticate", 'Basic realm="forgehand"'))
        reason = text[:_REASON].encode("ascii", "replace")  # all that clients show of a CONNECT response
        self._send(h11.Response(status_code=status, headers=headers, reason=reason))
        self._send(h11.Data(data=body))
        self._send(h11.EndOfMessage())

    def _send(self, event: h11.Event) -> None:
        if data := self._http.send(event):
            self._sock.sendall(data)
