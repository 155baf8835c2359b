"""Bytes between a sandbox and a package host, both ways, in the thread that leads them.

Each way holds one piece at most: who does not take it stops who sends it.
"""

from contextlib import suppress
from select import POLLERR, POLLHUP, POLLIN, POLLOUT, poll
from socket import SHUT_WR, socket

_PIECE = 64 << 10  # bytes


class Tunnel:
    """Between two connected sockets, which stay the caller's."""

    def __init__(self, inside: socket, outside: socket, idle: float) -> None:
        """`idle`: seconds without a byte after which it ends."""
        self._inside, self._outside, self._idle = inside, outside, idle
        self._forth, self._back = _Way(inside, outside), _Way(outside, inside)

    @property
    def sent(self) -> int:
        """Bytes that the host was given."""
        return self._forth.passed

    @property
    def received(self) -> int:
        return self._back.passed

    def lead(self, first: bytes, *, both_ways: bool) -> None:
        """Until both have said all, the inside is gone, or nothing moves. Raises OSError.

        `first` is for the host before all else; where it is not both ways, it is all that the host gets.
        """
        forth, back = self._forth, self._back
        forth.held, forth.ended = first, not both_ways
        self._inside.settimeout(0.0)
        self._outside.settimeout(0.0)
        while not (forth.over and back.over):
            events = self._wait()
            if not events or events.get(self._inside, 0) & (POLLHUP | POLLERR):
                return
            for way in (forth, back):
                if way.takes and events.get(way.source, 0) & ~POLLOUT:
                    way.take()
                if way.held and events.get(way.goal, 0) & ~POLLIN:
                    way.give()

    def _wait(self) -> dict[socket, int]:
        """What may be done now, by socket; nothing for too long: empty."""
        forth, back = self._forth, self._back
        waiting = poll()
        # Always the inside, even where nothing is wanted of it: that it is gone is told all the same.
        waiting.register(self._inside, POLLIN * forth.takes | POLLOUT * bool(back.held))
        if wanted := POLLIN * back.takes | POLLOUT * bool(forth.held):
            waiting.register(self._outside, wanted)
        found = dict(waiting.poll(self._idle * 1000))
        return {
            sock: found[sock.fileno()] for sock in (self._inside, self._outside) if sock.fileno() in found
        }


class _Way:
    """From one socket to the other."""

    def __init__(self, source: socket, goal: socket) -> None:
        self.source, self.goal = source, goal
        self.held = b""
        self.ended = False  # the source has said all
        self.passed = 0  # bytes

    @property
    def takes(self) -> bool:
        return not self.ended and not self.held

    @property
    def over(self) -> bool:
        return self.ended and not self.held

    def take(self) -> None:
        with suppress(BlockingIOError):
            self.held = self.source.recv(_PIECE)
            self.ended = not self.held
        if self.ended:
            self.goal.shutdown(SHUT_WR)

    def give(self) -> None:
        with suppress(BlockingIOError):
            given = self.goal.send(self.held)
            self.held = self.held[given:]
            self.passed += given
