"""The output of an export container, and its interpretation."""

import json
import re
import socket
import struct
from pathlib import Path

import pytest

from bot.domain.errors import ExportRefused
from bot.git.bare_repository import make_bare
from bot.git.run import Objects
from bot.sandbox.engine.streams import Stream
from bot.sandbox.export.checks import Rules
from bot.sandbox.export.receive import ExportedResult, Shipment, read_result, receive
from bot.sandbox.export.unexported import UnexportedFolder

ID = b"1" * 40 + b"\n"


def sent(tmp_path: Path, content: bytes) -> Shipment:
    """Receive what an engine would send for a container that prints `content`."""
    ours, engines = socket.socketpair()
    with ours, engines:
        engines.sendall(struct.pack(">BxxxL", 1, len(content)) + content)
        engines.shutdown(socket.SHUT_WR)
        make_bare(tmp_path / "x.git")
        return receive(Stream(ours, seconds=10), Objects(tmp_path / "x.git"), Rules())


@pytest.mark.parametrize(
    "content",
    [
        b"",
        ID,
        ID + ID + b"0000000000\n0000000000\n",
        ID + b"-" + b"1" * 39 + b"\n" + b"0000000000\n0000000000\n0000000000\n",
        ID + b"--all" + b" " * 35 + b"\n" + b"0000000000\n0000000000\n0000000000\n",
        ID + ID + b"-000000001\n0000000000\n0000000000\n",
    ],
)
def test_a_stream_with_an_invalid_header_is_reported_as_unsound(tmp_path: Path, content: bytes) -> None:
    assert "has no valid header" in sent(tmp_path, content).unsound


def test_an_invalid_pack_is_reported_as_unsound(tmp_path: Path) -> None:
    shipment = sent(
        tmp_path, ID + ID + b"0000000002\n0000000003\n0000000018\n" + b"{}Eh?submodule 2 a/lib\0" + b"no pack"
    )

    assert (shipment.result, shipment.question) == (ExportedResult(), "Eh?")
    assert shipment.unexported == [UnexportedFolder(b"a/lib", 2, is_submodule=True)]
    assert "pack" in shipment.unsound


def test_a_refusal_by_the_container_is_raised_without_control_characters(tmp_path: Path) -> None:
    with pytest.raises(
        ExportRefused, match=r"^The uncommitted files could not be read. fatal: nothing here$"
    ):
        sent(tmp_path, b"!unreadable\nfatal: nothing \x1b[31mhere\0")


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"large\n\0a`\x1b[31mb", "`a'b` is larger than 100 MiB. Remove it, or add it to `.gitignore`."),
        (b"many\n\0dist", "More than 20,000 files are changed, most of them in `dist`."),
        (b"total\n\0x.bin", "The changed files together are larger than 1 GiB; the largest is `x.bin`."),
        (b"deep\n\0a/b", "`a/b` lies more than 100 folders deep."),
        (b"tree\nfatal: Out of memory, malloc failed\0", "git ran out of memory; remove the largest files"),
        (b"no such code", "The uncommitted files could not be read."),
        (b"", "The uncommitted files could not be read."),
    ],
)
def test_a_refusal_names_the_path_and_the_next_step(tmp_path: Path, answer: bytes, reason: str) -> None:
    with pytest.raises(ExportRefused, match=re.escape(reason)):
        sent(tmp_path, b"!" + answer)


@pytest.mark.parametrize(
    "content", [b"", b"nothing", b"[1]", b'{"summary": 1}', b"[" * 60_000, b'{"summary": null}', b"\xff"]
)
def test_an_invalid_result_is_empty(content: bytes) -> None:
    assert read_result(content) == ExportedResult()


def test_the_summary_and_the_title_of_a_result_are_cut() -> None:
    result = read_result(b'{"summary": "%s", "title": "%s"}' % (b"x" * 50_000, b"y" * 500))

    assert (len(result.summary), len(result.title)) == (20_000, 200)


def test_a_summary_keeps_joiners_and_emoji() -> None:
    words = "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645 \u2764\ufe0f"

    assert read_result(json.dumps({"summary": f"{words}\u202e"}).encode()).summary == words
