"""What an export container sends: two ids, two small files, a pack. All of it may be a lie.

Read without a buffer: the pack begins right after the last byte of the header.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass

from bot.clean import visible
from bot.errors import ExportRefused, GitFailed
from bot.sandbox.check import Rules
from bot.sandbox.git import LIMITS, Objects, git
from bot.sandbox.stream import Stream

_HEADER = 2 * 41 + 2 * 11  # two ids, two lengths, each with its line end
_FILE_BYTES = 65_536  # of result and question each


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What the agent said of its own work, cleaned and cut; all of it may be ""."""

    summary: str = ""
    title: str = ""
    session: str = ""


@dataclass(frozen=True, slots=True)
class Shipment:
    """What came out of the container, as it says itself."""

    head: str
    snapshot: str
    result: Result
    question: str


def receive(stream: Stream, objects: Objects, rules: Rules) -> Shipment:
    """Unpack the stream into `objects`. Raises ExportRefused where there is nothing sound to unpack."""
    shipment = _read_header(stream)
    _unpack(stream, objects, rules)
    return shipment


def _read_header(stream: Stream) -> Shipment:
    first = stream.read_exactly(1)
    if first == b"!":
        raise ExportRefused(visible(stream.read_exactly(2000).decode(errors="replace")).strip())
    fields = (first + stream.read_exactly(_HEADER - 1)).decode(errors="replace").split("\n")
    try:
        head, snapshot, result, question, _ = fields
        lengths = int(result), int(question)
        int(head, 16), int(snapshot, 16)
    except ValueError:
        raise ExportRefused("The export container gave an answer that makes no sense.") from None
    if not all(0 <= length <= _FILE_BYTES for length in lengths):
        raise ExportRefused("The agent's result or question is longer than 64 KiB.")
    files = [stream.read_exactly(length) for length in lengths]
    question = visible(files[1].decode(errors="replace")).strip()
    return Shipment(head, snapshot, read_result(files[0]), question)


def read_result(content: bytes) -> Result:
    """The agent's result file, taken as far as it makes sense."""
    try:
        told = json.loads(content)
    except (ValueError, RecursionError):
        told = {}
    told = told if isinstance(told, dict) else {}

    def text(key: str) -> str:
        value = told.get(key)
        return visible(value).strip() if isinstance(value, str) else ""

    title = text("title").split("\n", 1)[0][:200]
    return Result(summary=text("summary")[:20_000], title=title, session=text("session")[:200])


def _unpack(stream: Stream, objects: Objects, rules: Rules) -> None:
    def chunks() -> Iterator[bytes]:
        while chunk := stream.read(1 << 18):
            yield chunk

    args = ("--stdin", "--fix-thin", "--strict", f"--max-input-size={rules.pack_bytes}")
    env, seconds = objects.borrowing(), rules.seconds
    try:
        git("index-pack", *args, at=objects.path, env=env, stdin=chunks(), seconds=seconds, limits=LIMITS)
    except GitFailed as error:
        if stream.read(1):
            # git gave up before the end of the stream; leaving by this kills the container.
            raise ExportRefused(f"The new work could not be unpacked: {error}") from error
        raise ExportRefused(f"The new work is not sound: {error}") from error
