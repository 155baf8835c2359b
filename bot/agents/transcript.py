"""An agent's output as lines, and the meaning of each line as its parser gives it.

A parser keeps its state in memory only. A worker that takes over a run parses the raw log
again from its start, so the same bytes must always have the same meaning.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bot.agents.agent import AgentReport, OutputLine, OutputParser
from bot.domain.interrupt import Check, uninterrupted

_LONGEST = 8 << 20  # bytes of a line that is still parsed
_AT_ONCE = 1 << 20  # bytes of a raw log that are read at once
_MESSAGE = 4096  # characters of a line that is shown elsewhere; a cut line could end in half a secret


@dataclass(slots=True)
class LineSplitter:
    """A splitter of pieces into whole lines. Of a line that is too long it keeps only the length."""

    _rest: bytearray = field(default_factory=bytearray)
    _dropped: int = 0  # bytes of the present line that were not kept

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield the lines that end in `data`."""
        *ended, rest = data.split(b"\n")
        for piece in ended:
            self._add(piece)
            yield self._line()
        self._add(rest)

    def last(self) -> bytes:
        """Return the line that has no end yet; b"" if there is none."""
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


class OutputReader:
    """The facts about a run in its agent's output so far."""

    def __init__(self, parser: OutputParser) -> None:
        self._parser = parser
        self._lines = LineSplitter()
        self._changes: dict[str, Any] = {}
        self.report: AgentReport | None = None
        self.last_message = ""  # the last line that was for people

    def replay(self, log: Path, size: int, *, check: Check = uninterrupted) -> None:
        """Read again the first `size` bytes of the raw log, which an earlier worker has written.

        `check` is called between two pieces of it and may raise.
        """
        if not size or not log.exists():
            return
        with log.open("rb") as file:
            while size and (data := file.read(min(size, _AT_ONCE))):
                check()
                self.feed(data)
                size -= len(data)

    def feed(self, data: bytes) -> None:
        """Read the next bytes of the output."""
        for line in self._lines.feed(data):
            self._note(self._parser.parse(line))

    def end(self) -> None:
        """Read a last line that has no line end: there will be no more output."""
        if line := self._lines.last():
            self._note(self._parser.parse(line))

    def changes(self) -> dict[str, Any]:
        """Return the columns of `runs` that have changed since the last call."""
        changes, self._changes = self._changes, {}
        return changes

    def _note(self, line: OutputLine) -> None:
        self.last_message = _last_line(line.text or "") or self.last_message
        if line.session:
            self._changes["session"] = line.session
        if line.doing:
            self._changes["doing"] = line.doing
        if line.report:
            self._end_with(line.report)
        elif line.doing or line.session:  # that was not the end: a background command woke the agent up
            self.report = None

    def _end_with(self, report: AgentReport) -> None:
        self.report = report
        self._changes["doing"] = ""
        if report.limited_until is not None:
            self._changes["limited_until"] = report.limited_until
        if report.session_cost is not None:
            self._changes["session_cost"] = report.session_cost


def _last_line(text: str) -> str:
    last = text.rstrip().rpartition("\n")[2].strip()
    return last if len(last) <= _MESSAGE else ""


def transcript(parser: OutputParser, pieces: Iterator[bytes]) -> Iterator[str]:
    """Yield the text for people in a log, piece by piece. The text of each line ends with a line end."""
    lines = LineSplitter()
    for piece in pieces:
        yield "".join(_text(parser, line) for line in lines.feed(piece))
    if last := lines.last():
        yield _text(parser, last)


def _text(parser: OutputParser, line: bytes) -> str:
    text = parser.parse(line).text
    return "" if text is None else f"{text}\n"
