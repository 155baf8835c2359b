"""The socket of a gate, in a folder that is mounted into its sandbox, and the threads that serve it.

Its path outlives every worker. The next one binds it anew, and the relay in the
sandbox, which waits for that, finds the same door. A worker that lost the run
therefore leaves the path alone: it may be another's by now.
"""

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from bot.gateway.connection import GatewayConnection
from bot.gateway.run_access import RunAccess

SOCKET = "gateway"
_AT_ONCE = 64  # connections; more wait to be taken
_BACKLOG = 128
_SHUT_WITHIN = 5.0  # seconds, for all of them together


@contextmanager
def open_socket(folder: Path, access: RunAccess) -> Iterator[None]:
    """Serve at `folder`/gateway until the block ends: then nobody comes in, and every connection is cut."""
    listener = _bind(folder)
    connections = _Connections(listener, access)
    thread = threading.Thread(target=connections.keep, name=f"gate-{access.counts.run}")
    thread.start()
    try:
        yield
    finally:
        connections.close()
        thread.join()
        connections.wait()
        listener.close()


def _bind(folder: Path) -> socket.socket:
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o755)  # for a user of the container, whatever our mask
    listener = socket.socket(socket.AF_UNIX)
    inside = os.open(folder, os.O_PATH | os.O_DIRECTORY)
    try:
        with suppress(FileNotFoundError):
            os.unlink(SOCKET, dir_fd=inside)
        # The address of a socket has 108 bytes at most (unix(7)), a path may have more.
        listener.bind(f"/proc/self/fd/{inside}/{SOCKET}")
        os.chmod(SOCKET, 0o666, dir_fd=inside)
        listener.listen(_BACKLOG)
    except BaseException:
        listener.close()
        raise
    finally:
        os.close(inside)
    return listener


class _Connections:
    """Those of one gate, each in a thread of its own."""

    def __init__(self, listener: socket.socket, access: RunAccess) -> None:
        self._listener, self._access = listener, access
        self._open: set[GatewayConnection] = set()
        self._closed = False
        self._changed = threading.Condition()

    def keep(self) -> None:
        """Take connections until `close`."""
        while self._has_place():
            try:
                sock, _ = self._listener.accept()
            except OSError:  # closed, or no descriptors are left for now
                with self._changed:
                    self._changed.wait_for(lambda: self._closed, 0.5)
                continue
            connection = GatewayConnection(sock, self._access)
            # A daemon: a name that does not resolve holds it for longer than anybody waits.
            thread = threading.Thread(target=self._serve, args=(connection,), daemon=True)
            with self._changed:
                self._open.add(connection)
            thread.start()

    def close(self) -> None:
        """Take no more."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes who accepts

    def wait(self) -> None:
        """Cut the doors, and return once they are shut; nobody takes new connections any more."""
        with self._changed:
            for connection in self._open:
                connection.cut()
            self._changed.wait_for(lambda: not self._open, _SHUT_WITHIN)

    def _has_place(self) -> bool:
        with self._changed:
            self._changed.wait_for(lambda: self._closed or len(self._open) < _AT_ONCE)
            return not self._closed

    def _serve(self, connection: GatewayConnection) -> None:
        try:
            connection.serve()
        finally:
            with self._changed:
                self._open.discard(connection)
                self._changed.notify_all()
