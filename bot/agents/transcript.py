"""From the bytes an agent prints to what they say: its lines, one after the other, given to its listener.

The state of a listener is in memory alone. A worker that goes on with another's run
makes it anew from the raw log, which is why the same bytes must always say the same.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bot.agents.agent import AgentReport, Listener, OutputLine
from bot.domain.interrupt import Check, uninterrupted

_LONGEST = 8 << 20  # bytes of a line that is still read
_AT_ONCE = 1 << 20  # bytes of a raw log that are read back
_WORDS = 4096  # characters of a line that is repeated to people; half of it might be half a secret


@dataclass(slots=True)
class Lines:
    """Whole lines out of pieces; of one that is too long only its length is told."""

    _rest: bytearray = field(default_factory=bytearray)
    _dropped: int = 0  # bytes of the present line that were not kept

    def take(self, data: bytes) -> Iterator[bytes]:
        """The lines that end in `data`."""
        *ended, rest = data.split(b"\n")
        for piece in ended:
            self._add(piece)
            yield self._line()
        self._add(rest)

    def last(self) -> bytes:
        """The line that has no end yet; b"" where there is none."""
        return self._line() if self._rest or self._dropped else b""

    def _add(self, piece: bytes) -> None:
        if self._dropped or len(self._rest) + len(piece) > _LONGEST:
            self._dropped += len(self._rest) + len(piece)
            self._rest.clear()
        else:
            self._rest += piece

    def _line(self) -> bytes:
        line = f"(a line of {self._dropped:,} bytes)".encode() if self._dropped else bytes(self._rest)
        self._rest.clear()
        self._dropped = 0
        return line.removesuffix(b"\r")


class Listening:
    """What one run's agent has said so far."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._lines = Lines()
        self._news: dict[str, Any] = {}
        self.result: AgentReport | None = None
        self.last_words = ""  # the last line that was for people

    def replay(self, log: Path, size: int, *, check: Check = uninterrupted) -> None:
        """Hear again the first `size` bytes that a worker before this one has put into the raw log.

        `check` is called between two pieces of it, and what it raises is raised.
        """
        if not size or not log.exists():
            return
        with log.open("rb") as file:
            while size and (data := file.read(min(size, _AT_ONCE))):
                check()
                self.take(data)
                size -= len(data)

    def take(self, data: bytes) -> None:
        """Hear what was printed next."""
        for line in self._lines.take(data):
            self._heard(self._listener.hear(line))

    def end(self) -> None:
        """Nothing more will be printed: a last line without an end counts as one."""
        if line := self._lines.last():
            self._heard(self._listener.hear(line))

    def news(self) -> dict[str, Any]:
        """Columns of `runs` that have changed since this was last asked."""
        news, self._news = self._news, {}
        return news

    def _heard(self, heard: OutputLine) -> None:
        self.last_words = _last_line(heard.text or "") or self.last_words
        if heard.session:
            self._news["session"] = heard.session
        if heard.doing:
            self._news["doing"] = heard.doing
        if heard.result:
            self._end_with(heard.result)
        elif heard.doing or heard.session:  # it was not the end: what it ran meanwhile woke it up
            self.result = None

    def _end_with(self, result: AgentReport) -> None:
        self.result = result
        self._news["doing"] = ""
        if result.limited_until is not None:
            self._news["limited_until"] = result.limited_until
        if result.session_cost is not None:
            self._news["session_cost"] = result.session_cost


def _last_line(text: str) -> str:
    last = text.rstrip().rpartition("\n")[2].strip()
    return last if len(last) <= _WORDS else ""


def transcript(listener: Listener, pieces: Iterator[bytes]) -> Iterator[str]:
    """What is for people in a log, piece by piece; all that a line says ends with a line end."""
    lines = Lines()
    for piece in pieces:
        yield "".join(_said(listener, line) for line in lines.take(piece))
    if last := lines.last():
        yield _said(listener, last)


def _said(listener: Listener, line: bytes) -> str:
    text = listener.hear(line).text
    return "" if text is None else f"{text}\n"
