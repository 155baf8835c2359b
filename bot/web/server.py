"""The HTTP application and its server: uvicorn, with limits on what anyone who can connect may cost.

uvicorn with httptools limits neither the size of a head nor the time it may take, queues any number of
pipelined requests, and waits for ever for clients that do not take their answers.
"""

import asyncio
from collections.abc import Sequence

import uvicorn
from starlette.applications import Starlette
from starlette.routing import BaseRoute
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

# Bytes of request line and headers. A connection costs up to 90 KB before a head is complete. Their number
# has no limit: uvicorn's looks only after a head, and while others hold that many, refuses honest requests.
_HEAD_CAP = 64 * 1024
_HEADERS = 100  # of one request; 64 KiB of short ones became 1 MB of objects
# Seconds between two looks at a connection. A head has one to two times this, less the time that the
# connection was idle before: at most five seconds, after which uvicorn closes it.
_LOOK = 10.0
_ANSWER_DEADLINE = 60.0  # seconds in which a client must take a piece of an answer
_PIECE = 16 * 1024  # bytes


class Guarded(HttpToolsProtocol):
    """uvicorn's protocol, with limits on what a connection may cost.

    A connection is closed if a head is too long, is too slow, or has too many headers, if a request comes
    before the last one is answered (250 KB of such requests made 27 MB of answers), and if its client stops
    taking an answer.

    The only subclass of the project beside its errors: uvicorn has no other hook for this.
    """

    _head = 0  # bytes received since the last complete head
    _is_deaf = False  # a second request came too early: the connection ends with the first one's answer
    _untaken = 0  # bytes of an answer that the client had not taken at `_untaken_since`
    _untaken_since = 0.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._look(None, waited=False)

    def connection_lost(self, exc: Exception | None) -> None:
        self._next_look.cancel()  # its timer would hold the connection in memory, and so would thousands
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        # One read may have more than a head may have.
        while data and self._between_requests() and not (self._is_deaf or self.transport.is_closing()):
            piece, data = data[: _HEAD_CAP - self._head], data[_HEAD_CAP - self._head :]
            before = self.cycle
            super().data_received(piece)
            self._head = 0 if self.cycle is not before else self._head + len(piece)
            if self._head >= _HEAD_CAP and not self.transport.is_closing():
                self.transport.close()
        if data and not (self._is_deaf or self.transport.is_closing()):
            super().data_received(data)

    def on_message_begin(self) -> None:
        if not self._between_requests():
            raise RefusedRequest  # the parser stops, and uvicorn calls send_400_response
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        if len(self.headers) >= _HEADERS:
            raise RefusedRequest
        super().on_header(name, value)

    def send_400_response(self, msg: str) -> None:
        if self._between_requests() or self.cycle.more_body:
            super().send_400_response(msg)
            return
        self._is_deaf = True
        self.cycle.keep_alive = False  # the transport is closed behind its answer

    def resume_writing(self) -> None:
        super().resume_writing()
        self._untaken = 0  # the client has taken a piece, and the buffer is filled again

    def _between_requests(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def _look(self, last: object, *, waited: bool) -> None:
        """Look every few seconds; close the connection if the same head is unfinished at two looks."""
        cycle, waiting = self.cycle, self._between_requests()
        if self._is_untaken():
            self.transport.abort()
        elif waited and waiting and cycle is last:
            self.transport.close()
        self._next_look = self.loop.call_later(_LOOK, lambda: self._look(cycle, waited=waiting))

    def _is_untaken(self) -> bool:
        left = self.transport.get_write_buffer_size()
        if not self._untaken or left <= max(0, self._untaken - _PIECE):
            self._untaken, self._untaken_since = left, self.loop.time()
        return bool(left) and self.loop.time() - self._untaken_since >= _ANSWER_DEADLINE


class RefusedRequest(Exception):
    """A request came before the last one was answered, or has too many headers."""


def application(routes: Sequence[BaseRoute]) -> Starlette:
    """Build the application of these routes."""
    app = Starlette(routes=routes)
    # The redirect would lead to the host that the request names, with the key of a page in its address.
    app.router.redirect_slashes = False
    return app


def server(app: ASGIApp, *, host: str, port: int) -> uvicorn.Server:
    """Build a server, to `run()`, or to `serve()` in the caller's event loop."""
    return uvicorn.Server(
        uvicorn.Config(
            app,
            host=host,
            port=port,
            loop="uvloop",
            http=Guarded,
            ws="none",
            log_config=None,  # the log is set up by app/log.py
            access_log=False,  # addresses contain the keys of signed links
            server_header=False,
            timeout_graceful_shutdown=10,
        )
    )
