"""A run's log as people may see it: from the ledger's bounded copy, cleaned line by line.

Piece by piece, because cleaning sixteen megabytes at once would hold up every
delivery that arrives meanwhile.
"""

import re
from collections.abc import Iterator, Sequence

from bot.agents.agent import Listener
from bot.agents.transcript import transcript
from bot.store import log_chunks
from bot.store.ledger import Ledger
from bot.text.sanitize import shown

_PIECE = 128 * 1024  # bytes
_LINE_END = re.compile(rb"\n|\r(?!\n|\Z)")  # whoever shows how far he is ends his lines with the latter
HEAD, TAIL = 64 * 1024, 192 * 1024  # bytes of a long log that the page shows


def whole(ledger: Ledger, run_id: str, secrets: Sequence[str]) -> Iterator[str]:
    """Everything that is kept, in pieces of whole lines; of a line cut in two at most the first half.

    The other half might begin with half a secret, which nobody would recognise.
    """
    offset, rest, torn = 0, b"", False
    while pieces := _read(ledger, run_id, offset, _PIECE):
        for at, data in pieces:
            if at > offset:
                yield f"… {at - offset:,} bytes left out …\n"
                rest, torn = b"", True
            offset = at + len(data)
            *ended, rest = _LINE_END.split(rest + data)
            if ended:
                yield from _lines(ended[torn:], secrets)
                torn = False
            if len(rest) > _PIECE and not torn:  # no more of it than its beginning is shown anyway
                yield from _lines([rest], secrets)
                torn = True
            if torn:
                rest = b""
    if rest:
        yield from _lines([rest], secrets)


def ends(ledger: Ledger, run_id: str, secrets: Sequence[str], listener: Listener) -> str:
    """What is for people in all of a short log, in first and last part of a long one."""

    def told(data: bytes) -> str:
        return shown("".join(transcript(listener, iter([data]))), secrets)

    with ledger.read() as tx:
        size = log_chunks.size(tx, run_id)
    if size <= HEAD + TAIL:
        return told(_span(ledger, run_id, 0, size))
    *lines, torn = _LINE_END.split(_span(ledger, run_id, 0, HEAD))
    head = b"\n".join(lines) or torn  # of one endless line its beginning
    tail = b"\n".join(_LINE_END.split(_span(ledger, run_id, size - TAIL, TAIL))[1:])
    left_out = f"\n… {size - len(head) - len(tail):,} bytes left out …\n"
    return f"{told(head)}{left_out}{told(tail)}"


def _read(ledger: Ledger, run_id: str, since: int, limit: int) -> list[tuple[int, bytes]]:
    with ledger.read() as tx:
        return log_chunks.read(tx, run_id, since, limit)


def _span(ledger: Ledger, run_id: str, since: int, size: int) -> bytes:
    """So many bytes of the log, none of which was left out."""
    data = b""
    while pieces := _read(ledger, run_id, since + len(data), size - len(data)) if len(data) < size else []:
        data += b"".join(piece for _, piece in pieces)
    return data


def _lines(lines: Sequence[bytes], secrets: Sequence[str]) -> Iterator[str]:
    if lines:
        yield shown(b"\n".join(lines).decode(errors="replace"), secrets) + "\n"
