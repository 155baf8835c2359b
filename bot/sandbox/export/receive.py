"""Receiving the stream of an export container: two ids, three small files and a pack, none of it trusted.

It is read without a buffer, because the pack begins directly after the files.
"""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bot.domain.errors import ExportRefused, GitFailed
from bot.git.large_files import streaming
from bot.git.run import LIMITS, Objects, git
from bot.sandbox.engine.streams import Stream
from bot.sandbox.export import refusals
from bot.sandbox.export.checks import Rules
from bot.sandbox.export.unexported import UnexportedFolder, parse
from bot.text.invisible import visible

_HEADER = re.compile(rb"([0-9a-f]{40})\n([0-9a-f]{40})\n(\d{10})\n(\d{10})\n(\d{10})\n")
_HEADER_BYTES = 2 * 41 + 3 * 11
_FILE_BYTES = 65_536  # of each file
_REFUSAL_BYTES = 8192


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportedResult:
    """The agent's report on its work, sanitized and cut; each field may be ""."""

    summary: str = ""
    title: str = ""


@dataclass(frozen=True, slots=True)
class Shipment:
    """The content of the stream, not checked. `unsound` is the reason why the pack is invalid, or ""."""

    head: str
    snapshot: str
    result: ExportedResult
    question: str
    unexported: Sequence[UnexportedFolder]
    unsound: str


def receive(stream: Stream, objects: Objects, rules: Rules) -> Shipment:
    """Unpack the stream into `objects`. Raises ExportRefused if the container refused the export."""
    first = stream.read_exactly(1)
    if first == b"!":
        raise ExportRefused(_refusal(stream.read_exactly(_REFUSAL_BYTES), rules))
    header = _HEADER.fullmatch(first + stream.read_exactly(_HEADER_BYTES - 1))
    if not header:
        return Shipment("", "", ExportedResult(), "", (), "the stream has no valid header")
    lengths = (min(int(length), _FILE_BYTES) for length in header.group(3, 4, 5))
    result, question, folders = (stream.read_exactly(length) for length in lengths)
    return Shipment(
        head=header[1].decode(),
        snapshot=header[2].decode(),
        result=read_result(result),
        question=visible(question.decode(errors="replace")).strip(),
        unexported=parse(folders),
        unsound=_unpack(stream, objects, rules),
    )


def _refusal(answer: bytes, rules: Rules) -> str:
    return refusals.refusal_text(
        answer, one=rules.blob_bytes, together=rules.total_bytes, files=rules.files, folders=rules.folders
    )


def read_result(content: bytes) -> ExportedResult:
    """Parse the agent's result file; missing or invalid fields are ""."""
    try:
        fields = json.loads(content)
    except (ValueError, RecursionError):
        fields = {}
    fields = fields if isinstance(fields, dict) else {}

    def text(key: str) -> str:
        value = fields.get(key)
        return visible(value).strip() if isinstance(value, str) else ""

    title = text("title").split("\n", 1)[0][:200]
    return ExportedResult(summary=text("summary")[:20_000], title=title)


def _unpack(stream: Stream, objects: Objects, rules: Rules) -> str:
    """Unpack the pack; return "", or the reason why it is invalid or incomplete."""

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
            # git ended before the stream did. This error kills the container, whose status tells nothing.
            raise ExportRefused(f"The new work could not be unpacked: {error}") from error
        return str(error)
    return ""
