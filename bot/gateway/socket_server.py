"""The socket of a run, in a folder that is mounted into its sandbox, and the threads that serve it.

The path of the socket outlives every worker. The next worker binds it again, and the relay in
the sandbox, which waits for that, finds the new socket at the same path. A worker that lost
the run therefore does not remove the path: another worker may have bound it by now.
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
_AT_ONCE = 64  # connections; more wait in the backlog
_BACKLOG = 128
_CLOSE_WITHIN = 5.0  # seconds, for all connections together


@contextmanager
def open_socket(folder: Path, access: RunAccess) -> Iterator[None]:
    """Serve at `folder`/gateway until the block ends; then refuse new connections and cut the open ones."""
    listener = _bind(folder)
    connections = _Connections(listener, access)
    thread = threading.Thread(target=connections.accept, name=f"gateway-{access.counter.run}")
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
    folder.chmod(0o755)  # for the container's user, whatever the umask of this process
    listener = socket.socket(socket.AF_UNIX)
    inside = os.open(folder, os.O_PATH | os.O_DIRECTORY)
    try:
        with suppress(FileNotFoundError):
            os.unlink(SOCKET, dir_fd=inside)
        # The address of a socket has at most 108 bytes (unix(7)); the path may be longer.
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
    """The connections of one run, each in its own thread."""

    def __init__(self, listener: socket.socket, access: RunAccess) -> None:
        self._listener, self._access = listener, access
        self._open: set[GatewayConnection] = set()
        self._closed = False
        self._changed = threading.Condition()

    def accept(self) -> None:
        """Accept connections until `close` is called."""
        while self._wait_for_place():
            try:
                sock, _ = self._listener.accept()
            except OSError:  # closed, or out of file descriptors for the moment
                with self._changed:
                    self._changed.wait_for(lambda: self._closed, 0.5)
                continue
            connection = GatewayConnection(sock, self._access)
            # A daemon: the resolution of a name may take longer than a stopping worker can wait.
            thread = threading.Thread(target=self._serve, args=(connection,), daemon=True)
            with self._changed:
                self._open.add(connection)
            thread.start()

    def close(self) -> None:
        """Accept no more connections."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes the thread in `accept`

    def wait(self) -> None:
        """Cut all connections and return when they are closed. Call it after `accept` has returned."""
        with self._changed:
            for connection in self._open:
                connection.cut()
            self._changed.wait_for(lambda: not self._open, _CLOSE_WITHIN)

    def _wait_for_place(self) -> bool:
        """Wait until another connection is permitted. Return False if `close` was called."""
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
