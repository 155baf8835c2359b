"""A tunnel: bytes between a sandbox and a package host, both ways, in one thread.

Each direction holds at most one piece: a receiver that does not read stops the sender.
"""

from contextlib import suppress
from select import POLLERR, POLLHUP, POLLIN, POLLOUT, poll
from socket import SHUT_WR, socket

_PIECE = 64 << 10  # bytes


class Tunnel:
    """A tunnel between two connected sockets. The caller closes them."""

    def __init__(self, inside: socket, outside: socket, idle: float) -> None:
        """Connect the sockets. The tunnel ends after `idle` seconds without a byte."""
        self._inside, self._outside, self._idle = inside, outside, idle
        self._forth, self._back = _Direction(inside, outside), _Direction(outside, inside)

    @property
    def sent(self) -> int:
        """Number of bytes sent to the host."""
        return self._forth.passed

    @property
    def received(self) -> int:
        """Number of bytes sent to the sandbox."""
        return self._back.passed

    def forward(self, first: bytes, *, both_ways: bool) -> None:
        """Forward bytes until both sides end, the inside closes, or the tunnel is idle. Raises OSError.

        `first` goes to the host before anything else. If not `both_ways`, the host gets nothing else.
        """
        forth, back = self._forth, self._back
        forth.pending, forth.ended = first, not both_ways
        self._inside.settimeout(0.0)
        self._outside.settimeout(0.0)
        while not (forth.is_done and back.is_done):
            events = self._wait()
            if not events or events.get(self._inside, 0) & (POLLHUP | POLLERR):
                return
            for way in (forth, back):
                if way.reads and events.get(way.source, 0) & ~POLLOUT:
                    way.receive()
                if way.pending and events.get(way.target, 0) & ~POLLIN:
                    way.send()

    def _wait(self) -> dict[socket, int]:
        """Return the events of each socket; {} if there was none for too long."""
        forth, back = self._forth, self._back
        waiting = poll()
        # The inside is always registered, even for no event: poll reports all the same that it was closed.
        waiting.register(self._inside, POLLIN * forth.reads | POLLOUT * bool(back.pending))
        if events := POLLIN * back.reads | POLLOUT * bool(forth.pending):
            waiting.register(self._outside, events)
        ready = dict(waiting.poll(self._idle * 1000))
        sockets = (self._inside, self._outside)
        return {sock: ready[sock.fileno()] for sock in sockets if sock.fileno() in ready}


class _Direction:
    """One direction of a tunnel."""

    def __init__(self, source: socket, target: socket) -> None:
        self.source, self.target = source, target
        self.pending = b""
        self.ended = False  # the source has sent everything
        self.passed = 0  # bytes

    @property
    def reads(self) -> bool:
        return not self.ended and not self.pending

    @property
    def is_done(self) -> bool:
        return self.ended and not self.pending

    def receive(self) -> None:
        with suppress(BlockingIOError):
            self.pending = self.source.recv(_PIECE)
            self.ended = not self.pending
        if self.ended:
            self.target.shutdown(SHUT_WR)

    def send(self) -> None:
        with suppress(BlockingIOError):
            size = self.target.send(self.pending)
            self.pending = self.pending[size:]
            self.passed += size
