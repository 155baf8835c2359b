"""What containers print, as it comes: raw, in order, bounded.

The engine sends stdout and stderr on one connection in frames of an eight-byte
header (which stream, how long) and their bytes. A reader that buffers would
swallow the start of what the next reader needs (a pack follows two lines of
text), so nothing here reads further than it was asked to.
https://docs.docker.com/reference/api/engine/version/v1.41/#tag/Container/operation/ContainerAttach
"""

import socket
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Protocol

from bot.domain.errors import EngineUnavailable, SandboxFailed
from bot.domain.interrupt import INTERVAL, Check, Paced, uninterrupted
from bot.text.sanitize import visible

_HEADER = struct.Struct(">BxxxL")
_STDERR = 2
_TAIL = 4096  # bytes of stderr worth quoting


def cleaned(text: bytes) -> str:
    """Return what a program printed without what could drive a terminal or hide itself."""
    return visible(text.decode(errors="replace")).strip()


class Stream:
    """Standard output of a container that was attached to before it started.

    `check` is called while it is read, also while nothing comes; what it raises, the reader raises.
    """

    def __init__(self, connection: socket.socket, *, seconds: float, check: Check = uninterrupted) -> None:
        self._connection = connection
        self._deadline = time.monotonic() + seconds
        self._check = Paced(check)
        self._left = 0  # bytes of the present frame of stdout that nobody has read
        self._stderr = b""

    def read(self, size: int) -> bytes:
        """Return 1 to `size` bytes as soon as there are any; b"" at the end.

        Raises SandboxFailed past the wall limit, EngineUnavailable if the engine goes away.
        """
        while not self._left:
            header = self._receive_exactly(_HEADER.size)
            if len(header) < _HEADER.size:  # the end, or cut off: how the container ended tells which
                return b""
            kind, length = _HEADER.unpack(header)
            if kind == _STDERR:
                self._keep_stderr(length)
            else:
                self._left = length
        data = self._receive(min(size, self._left))
        self._left -= len(data)
        return data

    def read_exactly(self, size: int) -> bytes:
        """Return `size` bytes, fewer only where the output ends before; raises as `read`."""
        parts = []
        while size and (data := self.read(size)):
            parts.append(data)
            size -= len(data)
        return b"".join(parts)

    def drain(self) -> None:
        """Throw away what is left of stdout, so that the container can come to its end."""
        while self.read(1 << 16):
            pass

    def must_go_on(self) -> None:
        """Raise SandboxFailed past the wall limit, and what the check raises."""
        self._check()
        if time.monotonic() >= self._deadline:
            raise SandboxFailed("A container did not end within its time.")

    @property
    def complaint(self) -> str:
        """The end of stderr as far as it was read, fit to be quoted."""
        return cleaned(self._stderr)

    def _keep_stderr(self, length: int) -> None:
        while length and (data := self._receive(min(length, _TAIL))):
            self._stderr = (self._stderr + data)[-_TAIL:]
            length -= len(data)

    def _receive_exactly(self, size: int) -> bytes:
        data = b""
        while len(data) < size and (more := self._receive(size - len(data))):
            data += more
        return data

    def _receive(self, size: int) -> bytes:
        self._connection.settimeout(INTERVAL)
        while True:
            self.must_go_on()
            try:
                return self._connection.recv(size)
            except TimeoutError:
                continue
            except OSError as error:
                raise EngineUnavailable("The container engine closed the connection.") from error


class Frames(Protocol):
    """What the engine sends of a container's output, piece by piece."""

    def __next__(self) -> bytes: ...

    def close(self) -> None: ...


class ContainerLog:
    """All a container has printed and prints, from the byte offset `skip` on.

    It ends when the container ends, or when `close` was called from any thread, or when the engine goes
    away: ask for the container's condition to know which.
    """

    def __init__(self, follow: Frames, replay: Callable[[], Frames], *, skip: int) -> None:
        self._frames = follow
        self._replay: Callable[[], Frames] | None = replay
        self._skip = self._offset = skip
        self._closed = False

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        while True:
            data = self._frame()
            if len(data) > self._skip:
                break
            self._skip -= len(data)
        data, self._skip = data[self._skip :], 0
        self._offset += len(data)
        return data

    def close(self) -> None:
        """End the iteration, also one that waits in another thread."""
        self._closed, self._replay = True, None
        with suppress(OSError, AttributeError):  # it is closed already
            self._frames.close()

    def _frame(self) -> bytes:
        try:
            return next(self._frames)
        except (StopIteration, ValueError, AttributeError):  # the last two: closed while it waited
            if self._replay is None:
                raise StopIteration from None
        # Engine 20.10 ends a follower at the container's end without a last line that has no line end,
        # though it has stored it: what is stored is asked for once more.
        try:
            self._frames, self._replay, self._skip = self._replay(), None, self._offset
        except (SandboxFailed, EngineUnavailable):  # removed meanwhile, or the engine is away
            raise StopIteration from None
        if self._closed:  # while the engine was asked
            self.close()
        return self._frame()
