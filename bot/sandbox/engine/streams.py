"""The output of containers while they run: raw, in order, bounded.

The engine sends stdout and stderr on one connection in frames of an eight-byte
header (which stream, how long) and their bytes. A reader with a buffer would
consume bytes that the next reader needs (a pack follows two lines of text), so
nothing here reads further than requested.
https://docs.docker.com/reference/api/engine/version/v1.41/#tag/Container/operation/ContainerAttach
"""

import socket
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.client import HTTPException
from typing import Protocol

import requests
import urllib3

from bot.domain.errors import DiskFull, EngineUnavailable, SandboxFailed
from bot.domain.interrupt import INTERVAL, Check, Paced, uninterrupted
from bot.text.invisible import visible

# The errors by which the engine's library reports a failed connection. ValueError means that an answer is not
# JSON, or that the socket was closed on our side.
TRANSPORT_ERRORS = (
    requests.RequestException,
    urllib3.exceptions.HTTPError,
    HTTPException,
    OSError,
    ValueError,
    struct.error,
)
_HEADER = struct.Struct(">BxxxL")
_STDERR = 2
_TAIL = 4096  # bytes of stderr to quote in an error
# Docker's last frame when it cannot continue to read a log, for instance after a rotation: moby,
# api/server/httputils/write_log_stream.go.
_LOG_FAILURE = b"Error grabbing logs: "


def cleaned(text: bytes) -> str:
    """Return a program's output without control sequences and invisible characters."""
    return visible(text.decode(errors="replace")).strip()


class Stream:
    """Standard output of a container to which the bot attached before its start.

    `check` is called during reads, also while no output comes; its exceptions propagate to the reader.
    """

    def __init__(self, connection: socket.socket, *, seconds: float, check: Check = uninterrupted) -> None:
        self._connection = connection
        self._deadline = time.monotonic() + seconds
        self._check = Paced(check)
        self._rest = 0  # unread bytes of the present frame of stdout
        self._stderr = b""

    def read(self, size: int) -> bytes:
        """Return 1 to `size` bytes as soon as some arrive; b"" at the end.

        Raises SandboxFailed after the time limit, EngineUnavailable if the connection fails.
        """
        while not self._rest:
            header = self._receive_exactly(_HEADER.size)
            if len(header) < _HEADER.size:  # the end, or an interruption: the exit status tells which
                return b""
            kind, length = _HEADER.unpack(header)
            if kind == _STDERR:
                self._append_stderr(length)
            else:
                self._rest = length
        data = self._receive(min(size, self._rest))
        self._rest -= len(data)
        return data

    def read_exactly(self, size: int) -> bytes:
        """Return `size` bytes, or fewer if the output ends before. Raises what `read` raises."""
        parts = []
        while size and (data := self.read(size)):
            parts.append(data)
            size -= len(data)
        return b"".join(parts)

    def drain(self) -> None:
        """Discard the rest of stdout, so that the container can end."""
        while self.read(1 << 16):
            pass

    def check_limits(self) -> None:
        """Raise SandboxFailed after the time limit, and the exceptions of `check`."""
        self._check()
        if time.monotonic() >= self._deadline:
            raise SandboxFailed("A container did not end within its time limit.")

    @property
    def error_text(self) -> str:
        """End of stderr, as far as it was read, safe to quote."""
        return cleaned(self._stderr)

    def _append_stderr(self, length: int) -> None:
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
            self.check_limits()
            try:
                return self._connection.recv(size)
            except TimeoutError:
                continue
            except OSError as error:
                raise EngineUnavailable("The container engine closed the connection.") from error


class Frames(Protocol):
    """Pieces of a container's output, as the engine sends them."""

    def __next__(self) -> bytes: ...

    def close(self) -> None: ...


class ContainerLog:
    """The past and future output of a container, from byte `skip` on.

    It ends when the container ends, when any thread calls `close`, or when the connection to the engine
    fails; the container's condition tells which. `release` is called by `close`: it gives up the connections
    of this log.
    """

    def __init__(
        self, follow: Frames, replay: Callable[[], Frames], *, skip: int, release: Callable[[], None]
    ) -> None:
        self._frames = follow
        self._release = release
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
        """End the iteration, even if it waits in another thread."""
        self._closed, self._replay = True, None
        with suppress(*TRANSPORT_ERRORS, AttributeError):  # it is closed already
            self._frames.close()
        self._release()

    def _frame(self) -> bytes:
        try:
            return self._output()
        except (StopIteration, *TRANSPORT_ERRORS, AttributeError):  # the last: closed while it waited
            if self._replay is None:
                raise StopIteration from None
        # Engine 20.10 stores a last line without a line end, but does not send it to a follower when the
        # container ends. So the stored log is requested once more.
        try:
            self._frames, self._replay, self._skip = self._replay(), None, self._offset
        except (SandboxFailed, DiskFull, EngineUnavailable):  # no container, no space or no engine
            raise StopIteration from None
        if self._closed:  # while the engine was asked
            self.close()
        return self._frame()

    def _output(self) -> bytes:
        """Return the next frame, without a message of the engine that ends the stream."""
        frame = next(self._frames)
        if self._replay is not None and frame.startswith(_LOG_FAILURE):
            # If another frame follows, the agent printed this. If the stream ends, the stored log decides:
            # it has the agent's lines only.
            frame += next(self._frames)
        return frame
