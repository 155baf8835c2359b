"""A run's stored log as people may see it: cleaned, and in pieces of whole lines.

Pages and the command line both read logs here. Logs come in pieces, because cleaning sixteen
megabytes at once would hold up every delivery that arrives meanwhile.
"""

import re
from collections.abc import Iterator, Sequence

from bot.agents.agent import OutputParser
from bot.agents.transcript import transcript
from bot.store import log_chunks
from bot.store.ledger import Ledger
from bot.text.sanitize import shown

HEAD, TAIL = 64 * 1024, 192 * 1024  # bytes of a long log that the page shows
_PIECE = 128 * 1024  # bytes read at once
_LONGEST_LINE = 128 * 1024  # bytes; of a longer line only the beginning is shown
_LONGEST_EVENT = 8 << 20  # bytes of a line for a parser, which cannot read a part of a line
_LINE_END = re.compile(rb"\n|\r(?!\n|\Z)")  # progress displays end their lines with a carriage return


class LogFollower:
    """A reader of a stored log, as cleaned text, also while the log grows.

    The ledger deletes the middle of a long log. The two lines that are cut there are not shown,
    nor is the rest of a line that is too long: it might begin with half a secret, which could
    not be recognised.
    """

    def __init__(
        self, ledger: Ledger, run_id: str, secrets: Sequence[str], parser: OutputParser | None = None
    ) -> None:
        """Show every line; with a `parser`, only its text for people."""
        self._ledger, self._run_id, self._secrets = ledger, run_id, secrets
        self._parser = parser
        self._longest = _LONGEST_EVENT if parser else _LONGEST_LINE
        self._offset = 0
        self._rest = b""  # the beginning of a line whose end has not been read
        self._skips = False  # the line being read has lost a part: skip to its end

    def pieces(self, *, last: bool) -> Iterator[str]:
        """Yield the lines added since the last call; with `last`, also the line that has no end yet."""
        while chunks := _read(self._ledger, self._run_id, self._offset, _PIECE):
            for offset, data in chunks:
                if offset > self._offset:
                    yield f"{_gap(offset - self._offset)}\n"
                    self._rest, self._skips = b"", True
                self._offset = offset + len(data)
                yield from self._shown(self._ended(data))
        if last and self._rest:
            yield from self._shown([self._rest])
            self._rest = b""

    def lines(self, *, last: bool) -> Iterator[str]:
        """Yield the lines of `pieces`, without their ends."""
        for piece in self.pieces(last=last):
            yield from piece.removesuffix("\n").split("\n")

    def _ended(self, data: bytes) -> list[bytes]:
        """Return the lines that end in `data`, and the beginning of one that is too long."""
        *lines, self._rest = _LINE_END.split(self._rest + data)
        if lines and self._skips:
            del lines[0]
            self._skips = False
        if len(self._rest) > self._longest and not self._skips:
            lines.append(self._rest)
            self._skips = True
        if self._skips:
            self._rest = b""
        return lines

    def _shown(self, lines: Sequence[bytes]) -> Iterator[str]:
        texts = [text.rstrip("\r") for text in map(self._text, lines) if text is not None]
        if texts:
            yield shown("\n".join(texts), self._secrets) + "\n"

    def _text(self, line: bytes) -> str | None:
        return self._parser.parse(line).text if self._parser else line.decode(errors="replace")


def excerpt(ledger: Ledger, run_id: str, secrets: Sequence[str], parser: OutputParser) -> str:
    """Return the text for people: all of a short log, or the beginning and the end of a long one."""

    def text(data: bytes) -> str:
        return shown("".join(transcript(parser, iter([data]))), secrets)

    with ledger.read() as tx:
        size = log_chunks.size(tx, run_id)
    if size <= HEAD + TAIL:
        return text(_span(ledger, run_id, 0, size))
    *lines, torn = _LINE_END.split(_span(ledger, run_id, 0, HEAD))
    head = b"\n".join(lines) or torn  # of a line without an end, its beginning
    tail = b"\n".join(_LINE_END.split(_span(ledger, run_id, size - TAIL, TAIL))[1:])
    return f"{text(head)}\n{_gap(size - len(head) - len(tail))}\n{text(tail)}"


def _gap(size: int) -> str:
    return f"… {size:,} bytes left out …"


def _read(ledger: Ledger, run_id: str, since: int, limit: int) -> list[tuple[int, bytes]]:
    with ledger.read() as tx:
        return log_chunks.read(tx, run_id, since, limit)


def _span(ledger: Ledger, run_id: str, since: int, size: int) -> bytes:
    """Read `size` bytes of the log, or fewer at its end. The span must not touch the ledger's gap."""
    data = b""
    while pieces := _read(ledger, run_id, since + len(data), size - len(data)) if len(data) < size else []:
        data += b"".join(piece for _, piece in pieces)
    return data
