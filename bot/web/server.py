"""The HTTP application and its server: uvicorn, with limits on the head of a request.

uvicorn with httptools limits neither the size of a head nor the time it may
take, so anyone who can connect could use up memory and sockets.
"""

import asyncio
from collections.abc import Sequence

import uvicorn
from starlette.applications import Starlette
from starlette.routing import BaseRoute
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_HEAD_CAP = 64 * 1024  # bytes of request line and headers
_HEAD_DEADLINE = 10.0  # seconds; the connection is closed after one to two times this


class Guarded(HttpToolsProtocol):
    """uvicorn's protocol, which also closes connections whose head is too long or too slow.

    The only subclass of the project beside its errors: uvicorn has no other hook for this.
    """

    _head = 0  # bytes received since the last complete head

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._watch(None, waited=False)

    def data_received(self, data: bytes) -> None:
        before = self.cycle
        super().data_received(data)
        if self.cycle is not before or not self._between_requests():
            self._head = 0
            return
        self._head += len(data)
        if self._head > _HEAD_CAP and not self.transport.is_closing():
            self.transport.close()

    def _between_requests(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def _watch(self, last: object, *, waited: bool) -> None:
        """Check every few seconds; close the connection if the same head is unfinished at two checks."""
        if self.transport.is_closing():
            return
        waiting = self._between_requests()
        if waited and waiting and self.cycle is last:
            self.transport.close()
            return
        self.loop.call_later(_HEAD_DEADLINE, lambda: self._watch(self.cycle, waited=waiting))


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
