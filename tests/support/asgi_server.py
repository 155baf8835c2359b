"""An application of ours on a real port, served the way the bot serves it."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from starlette.types import ASGIApp

from bot.web.server import server


@contextmanager
def listening(app: ASGIApp) -> Iterator[tuple[str, int]]:
    """Host and port, during the block. Bound before anything runs: whoever connects early just waits."""
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
