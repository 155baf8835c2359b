"""One connection from a sandbox: its requests judged, sent on with the real key, and answered as they are.

What a provider sends is passed on piece by piece, as it arrives and before it is
looked at: whoever waits for a word gets it when it is said.
"""

import json
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from http import HTTPStatus
from http.client import HTTPResponse

import h11

from bot.domain.lifecycle import Outcome
from bot.domain.usage import Tokens
from bot.gateway.endpoint import REFUSES
from bot.gateway.package_proxy import is_for_proxy, wanted
from bot.gateway.providers import Price, Provider
from bot.gateway.rate_limits import ends_at
from bot.gateway.request_policy import Asked, RequestRefused, asked, model
from bot.gateway.run_access import RunAccess
from bot.gateway.token_meter import Meter
from bot.gateway.upstream import FAILURES, Upstream, answered
from bot.gateway.usage_counter import Counts

_PIECE = 64 << 10  # bytes of one read
_LARGEST = 64 << 20  # bytes of a request's body
_HEAD = 64 << 10  # bytes of its headers
_REASON = 200  # characters
_LINGER = 2.0  # seconds for an agent to stop sending what nobody reads

_NO_KEY = {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}
_BUSY = {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE, 529}  # 529: Anthropic's "overloaded"
_KINDS = {401: "authentication_error", 413: "request_too_large", 429: "rate_limit_error"}


class GatewayConnection:
    """Serves one connection in the thread that calls `serve`; `cut` may come from another."""

    def __init__(self, sock: socket.socket, access: RunAccess) -> None:
        self._sock, self._access = sock, access
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=_HEAD)
        self._upstream: Upstream | None = None
        self._is_cut = False

    def serve(self) -> None:
        """Until either side ends it. Raises nothing."""
        try:
            while self._one():
                self._http.start_next_cycle()
        except (OSError, h11.ProtocolError):
            pass  # one of the two is gone, or makes no sense any more
        finally:
            self._linger()
            self._sock.close()
            if self._upstream:
                self._upstream.close()

    def cut(self) -> None:
        """End it now, whatever it is doing."""
        self._is_cut = True
        with suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)
        if self._upstream:
            self._upstream.cut()

    def _one(self) -> bool:
        """Take one request and answer it. Will there be another?"""
        try:
            request = self._next()
        except h11.RemoteProtocolError as error:
            self._say(error.error_status_hint, "no HTTP")
            return False
        if not isinstance(request, h11.Request):
            return False
        try:
            if is_for_proxy(request):
                self._lead(request)
            else:
                self._answer(request, asked(request, self._access.token, self._access.routes))
        except RequestRefused as refused:
            self._access.refuse(refused.target, refused.reason)
            self._drain()
            self._say(refused.status, f"refused: {refused.target}: {refused.reason}")
        return self._http.our_state is h11.DONE and self._http.their_state is h11.DONE

    def _body(self, wanted: Asked, room: Callable[[int], bool]) -> bytes:
        whole = bytearray()
        while isinstance(event := self._next(), h11.Data):
            if len(whole) + len(event.data) > _LARGEST or not room(len(event.data)):
                raise RequestRefused(413, wanted.shown, "too much at once")
            whole += event.data
        return bytes(whole)

    def _answer(self, request: h11.Request, wanted: Asked) -> None:
        access, route = self._access, wanted.route
        with access.room() as room:
            body = self._body(wanted, room)
            name = model(wanted, body)
            price = route.price(name)
            if access.run_budget.in_dollars and price is None:
                raise RequestRefused(
                    403, wanted.shown, f"[models.{route.name}] prices has none for {name[:100]!r}"
                )
            if not access.let_out(name, price):
                raise RequestRefused(403, wanted.shown, "over budget")
            try:
                response = self._to(route).ask(wanted.target, list(request.headers), body)
            except FAILURES as error:
                if self._is_cut:
                    raise ConnectionAbortedError from None
                access.unreachable(route, error)
                self._say(HTTPStatus.BAD_GATEWAY, f"{route.name} cannot be reached: {type(error).__name__}")
                return
            del body  # an answer may take minutes
        with response:
            self._judge(wanted, response)
            self._hand_on(route, response, _Bill(access.counts, name, price))

    def _lead(self, request: h11.Request) -> None:
        """To a package host; afterwards the connection is of no other use."""
        host = wanted(request, self._access.token)
        self._drain()
        with self._access.packages.reached(host, self._sock) as tunnel:
            first = host.head
            if not first:
                self._send(h11.Response(status_code=200, headers=[]))
                first, _ = self._http.trailing_data
            try:
                tunnel.lead(first, both_ways=not host.head)
            finally:
                self._access.counts.led(host.shown, tunnel.sent, tunnel.received)

    def _to(self, route: Provider) -> Upstream:
        """The connection that is kept, where it leads there."""
        if self._upstream is None or self._upstream.route is not route:
            if self._upstream:
                self._upstream.close()
            self._upstream = Upstream(route)
        if self._is_cut:  # before there was one to cut
            raise ConnectionAbortedError
        return self._upstream

    def _judge(self, wanted: Asked, response: HTTPResponse) -> None:
        """What an answer's status means to the run."""
        access, route, status = self._access, wanted.route, response.status
        if status in _NO_KEY:
            access.end(
                Outcome.AGENT_FAILED,
                f"{route.name} refused the bot's key (HTTP {status}): see [models.{route.name}] key.",
            )
        if status in _BUSY or status in _NO_KEY:
            access.refuse(route.name, f"the provider answered {status}")
        access.limited = status == HTTPStatus.TOO_MANY_REQUESTS
        access.limited_until = ends_at(dict(response.getheaders()), time.time()) if access.limited else None

    def _hand_on(self, route: Provider, response: HTTPResponse, bill: "_Bill") -> None:
        plain = response.getheader("content-encoding", "identity") == "identity"
        meter, data = Meter(response.getheader("content-type", "") if plain else ""), b""
        try:
            self._send(h11.Response(status_code=response.status, headers=answered(response)))
            while data := self._more(route, response):
                self._send(h11.Data(data=data))
                meter.feed(data)
                bill.add(meter.so_far())
            self._send(h11.EndOfMessage())
        except (BrokenPipeError, ConnectionResetError):
            # Who asked has hung up. It is paid all the same, so it is heard to where it says how much.
            meter.feed(data)
            while meter.so_far() == Tokens() and (data := self._more(route, response)):
                meter.feed(data)
            raise
        finally:
            bill.add(meter.tokens())
            if meter.error:
                self._access.refuse(route.name, f"the provider answered {meter.error} in a stream")

    def _more(self, route: Provider, response: HTTPResponse) -> bytes:
        """The next piece of an answer, b"" at its end. Raises ConnectionAbortedError where it breaks off."""
        with suppress(*FAILURES):
            data = response.read1(_PIECE)
            if data or not response.length:  # None: it never said how long it is
                return data
        if not self._is_cut:
            self._access.refuse(route.name, "broke off its answer")
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
        """Take what is still sent, so that the other side comes to read the answer."""
        left = _LARGEST
        while self._http.their_state is h11.SEND_BODY and left > 0:
            if isinstance(event := self._next(), h11.Data):
                left -= len(event.data)

    def _linger(self) -> None:
        """Closing with unread bytes would take the answer back."""
        with suppress(OSError):
            self._sock.shutdown(socket.SHUT_WR)
            self._sock.settimeout(_LINGER)
            end = time.monotonic() + _LINGER
            while time.monotonic() < end and self._sock.recv(_PIECE):
                pass

    def _say(self, status: int, words: str) -> None:
        """Answer in a shape that each of the known clients finds its message in."""
        error = {
            "type": _KINDS.get(status, "permission_error" if status == 403 else "api_error"),
            "message": f"{REFUSES}{words}",
            "code": status,
        }
        body = json.dumps({"type": "error", "error": error}).encode()
        headers = [("content-type", "application/json"), ("content-length", str(len(body)))]
        if status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
            headers.append(("proxy-authenticate", 'Basic realm="forgehand"'))
        reason = words[:_REASON].encode("ascii", "replace")  # all that is shown of an answer to CONNECT
        self._send(h11.Response(status_code=status, headers=headers, reason=reason))
        self._send(h11.Data(data=body))
        self._send(h11.EndOfMessage())

    def _send(self, event: h11.Event) -> None:
        if data := self._http.send(event):
            self._sock.sendall(data)


class _Bill:
    """What one answer cost, counted as it is said: a worker that dies in its middle loses a second of it."""

    def __init__(self, counts: Counts, name: str, price: Price | None) -> None:
        self._counts, self._name, self._price = counts, name, price
        self._counted = Tokens()

    def add(self, said: Tokens) -> None:
        """The answer now says so many in all."""
        if said != self._counted:
            self._counts.tokens(self._name, self._price, said - self._counted)
            self._counted = said
