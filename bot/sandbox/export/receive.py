"""What an export container sends: two ids, two small files, a pack. All of it may be a lie.

Read without a buffer: the pack begins right after the last byte of the header.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

from bot.domain.errors import ExportRefused, GitFailed
from bot.git.large_files import streaming
from bot.git.run import LIMITS, Objects, git
from bot.sandbox.engine.streams import Stream
from bot.sandbox.export import refusals
from bot.sandbox.export.checks import Rules
from bot.text.sanitize import visible

_HEADER = re.compile(rb"([0-9a-f]{40})\n([0-9a-f]{40})\n(\d{10})\n(\d{10})\n")
_HEADER_BYTES = 2 * 41 + 2 * 11
_FILE_BYTES = 65_536  # of result and question each
_REFUSAL_BYTES = 8192


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportedResult:
    """What the agent said of its own work, cleaned and cut; all of it may be ""."""

    summary: str = ""
    title: str = ""


@dataclass(frozen=True, slots=True)
class Shipment:
    """What came out of the container, as it says itself. `unsound`: why its pack is none, or ""."""

    head: str
    snapshot: str
    result: ExportedResult
    question: str
    unsound: str


def receive(stream: Stream, objects: Objects, rules: Rules) -> Shipment:
    """Unpack the stream into `objects`. Raises ExportRefused where the container says there is nothing."""
    first = stream.read_exactly(1)
    if first == b"!":
        raise ExportRefused(_refusal(stream.read_exactly(_REFUSAL_BYTES), rules))
    header = _HEADER.fullmatch(first + stream.read_exactly(_HEADER_BYTES - 1))
    if not header:
        return Shipment("", "", ExportedResult(), "", "the stream does not begin as it must")
    result, question = (stream.read_exactly(min(int(length), _FILE_BYTES)) for length in header.group(3, 4))
    return Shipment(
        head=header[1].decode(),
        snapshot=header[2].decode(),
        result=read_result(result),
        question=visible(question.decode(errors="replace")).strip(),
        unsound=_unpack(stream, objects, rules),
    )


def _refusal(answer: bytes, rules: Rules) -> str:
    return refusals.refusal_text(
        answer, one=rules.blob_bytes, together=rules.total_bytes, files=rules.files, folders=rules.folders
    )


def read_result(content: bytes) -> ExportedResult:
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
    return ExportedResult(summary=text("summary")[:20_000], title=title)


def _unpack(stream: Stream, objects: Objects, rules: Rules) -> str:
    """Why the pack could not be unpacked; "" if it was, and is sound, and nothing it needs is missing."""

    def chunks() -> Iterator[bytes]:
        while chunk := stream.read(1 << 18):
            yield chunk

    args = ("--stdin", "--fix-thin", "--strict", f"--max-input-size={rules.pack_bytes}")
    env, seconds, check = {**objects.borrowing(), **streaming()}, rules.seconds, objects.check
    try:
        git(
            "index-pack",
            *args,
            at=objects.path,
            env=env,
            stdin=chunks(),
            seconds=seconds,
            limits=LIMITS,
            check=check,
        )
    except GitFailed as error:
        if stream.read(1):
            # git gave up first. Leaving by an error ends the container; its exit status would not help.
            raise ExportRefused(f"The new work could not be unpacked: {error}") from error
        return str(error)
    return ""
