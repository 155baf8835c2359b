"""An ASGI application on a real port, served in the same way as the bot's."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from starlette.types import ASGIApp

from bot.web.server import server


@contextmanager
def listening(app: ASGIApp) -> Iterator[tuple[str, int]]:
    """Serve the application during the block; yield host and port.

    The socket is bound before the server runs, so an early client just waits.
    """
    with socket.create_server(("127.0.0.1", 0)) as listener:
        web = server(app, host="127.0.0.1", port=0)
        thread = threading.Thread(target=web.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            host, port = listener.getsockname()
            yield host, port
        finally:
            web.should_exit = True
            thread.join()
