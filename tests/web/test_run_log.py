"""The stored log of a run, followed while it grows: every line, or only an agent's text for people."""

from collections.abc import Callable

import pytest

from bot.agents.agent import OutputParser
from bot.agents.claude import Claude
from bot.agents.command_line import CommandLineAgent
from bot.store import log_chunks
from bot.store.ledger import Ledger
from bot.web.run_log import LogFollower
from tests.support.claude_stand_in import recorded
from tests.support.rows import add_run

SECRET = "s3cret-of-the-operator"

with_and_without_parser = pytest.mark.parametrize(
    "parser", [lambda: None, CommandLineAgent(()).output_parser], ids=["every_line", "text_for_people"]
)
MakeParser = Callable[[], OutputParser | None]


def _follower(ledger: Ledger, parser: OutputParser | None, pieces: dict[int, bytes]) -> LogFollower:
    """Write a log with these bytes at these offsets, and follow it."""
    with ledger.write() as tx:
        run = add_run(tx).id
        for offset, data in pieces.items():
            log_chunks.append(tx, run, offset, data)
    return LogFollower(ledger, run, [SECRET], parser)


@with_and_without_parser
def test_lines_with_a_missing_part_are_replaced_by_the_size_of_the_gap(
    sqlite_ledger: Ledger, parser: MakeParser
) -> None:
    begin, end = f"first\nit is {SECRET[:15]}".encode(), f"{SECRET[15:]}\nlast\nunended".encode()
    log = _follower(sqlite_ledger, parser(), {0: begin, 1000: end[:3], 1003: end[3:]})

    assert list(log.lines(last=True)) == [
        "first",
        f"… {1000 - len(begin)} bytes left out …",
        "last",
        "unended",
    ]


@with_and_without_parser
def test_a_secret_in_two_chunks_is_redacted(sqlite_ledger: Ledger, parser: MakeParser) -> None:
    whole = f"it is {SECRET}\nlast\n".encode()
    log = _follower(sqlite_ledger, parser(), {0: whole[:15], 15: whole[15:]})

    assert "".join(log.pieces(last=True)) == "it is [redacted]\nlast\n"


@with_and_without_parser
def test_a_secret_in_a_line_that_grows_is_redacted(sqlite_ledger: Ledger, parser: MakeParser) -> None:
    whole = f"first\nit is {SECRET}".encode()
    with sqlite_ledger.write() as tx:
        run = add_run(tx).id
        log_chunks.append(tx, run, 0, whole[:20])
    log = LogFollower(sqlite_ledger, run, [SECRET], parser())

    before = list(log.lines(last=False))
    with sqlite_ledger.write() as tx:
        log_chunks.append(tx, run, 20, whole[20:])

    assert before == ["first"]
    assert list(log.lines(last=False)) == []
    assert list(log.lines(last=True)) == ["it is [redacted]"]


@with_and_without_parser
def test_a_line_is_shown_after_its_end_or_at_the_end_of_the_log(
    sqlite_ledger: Ledger, parser: MakeParser
) -> None:
    log = _follower(sqlite_ledger, parser(), {0: b"one\ntw", 6: b"o\nthree"})

    assert list(log.lines(last=False)) == ["one", "two"]
    assert list(log.lines(last=True)) == ["three"]
    assert list(log.lines(last=True)) == []


@with_and_without_parser
def test_carriage_returns_end_lines_and_add_no_empty_lines(sqlite_ledger: Ledger, parser: MakeParser) -> None:
    log = _follower(sqlite_ledger, parser(), {0: b"one\r\n50 %\r100 %\r", 15: b"\nlast\r"})

    assert "".join(log.pieces(last=True)) == "one\n50 %\n100 %\nlast\n"


def test_only_the_beginning_of_a_line_that_is_too_long_is_in_the_log(sqlite_ledger: Ledger) -> None:
    begin = b"first\n" + b"x" * (128 * 1024)
    end = f"it is {SECRET}".encode() * 20_000 + b"\nlast\n"
    log = _follower(sqlite_ledger, None, {0: begin, len(begin): end})

    assert list(log.lines(last=True)) == ["first", f"{'x' * 2000} … (line cut)", "last"]


def test_a_parser_reads_an_event_that_is_longer_than_a_shown_line(sqlite_ledger: Ledger) -> None:
    events = [line.replace(b"I will look first.", b"word " * 100_000) for line in recorded("good")]
    log = _follower(sqlite_ledger, Claude(()).output_parser(), {0: b"\n".join(events)})

    lines = list(log.lines(last=True))

    assert any(line.startswith("word word") for line in lines)
    assert not any(line.startswith("{") for line in lines)
