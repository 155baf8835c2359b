"""How the bot listens: uvicorn, told what it leaves open.

uvicorn with httptools limits neither the size of a request's head nor the time
it may take; both are memory and sockets in the hands of anyone who can connect.
"""

import asyncio

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_HEAD_CAP = 64 * 1024  # bytes of request line and headers
_HEAD_DEADLINE = 10.0  # seconds; a head is cut between one and two of these


class Guarded(HttpToolsProtocol):
    """uvicorn's own protocol, which hangs up on heads that are endless or never end.

    The one subclass of the project that is no error: uvicorn offers no other place for this.
    """

    _head = 0  # bytes since the last request's head was complete

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._watch(None, begun=False)

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

    def _watch(self, last: object, *, begun: bool) -> None:
        """Look again and again; twice at the same unfinished head is once too often."""
        if self.transport.is_closing():
            return
        waiting = self._between_requests()
        if begun and waiting and self.cycle is last:
            self.transport.close()
            return
        self.loop.call_later(_HEAD_DEADLINE, lambda: self._watch(self.cycle, begun=waiting))


def server(app: ASGIApp, *, host: str, port: int) -> uvicorn.Server:
    """A server to `run()`, or to `serve()` in a loop of the caller's."""
    return uvicorn.Server(
        uvicorn.Config(
            app,
            host=host,
            port=port,
            loop="uvloop",
            http=Guarded,
            ws="none",
            log_config=None,  # ours is set up already
            access_log=False,  # addresses hold the keys of signed links
            server_header=False,
            timeout_graceful_shutdown=10,
        )
    )
