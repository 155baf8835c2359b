"""The facts that are read from an agent's output, in pieces of any size and mixed with other output."""

import random
from pathlib import Path

import pytest

from bot.agents.claude import Claude
from bot.agents.command_line import CommandLineAgent
from bot.agents.transcript import LineSplitter, OutputReader, transcript
from bot.domain.interrupt import within
from bot.domain.outcomes import Outcome
from tests.support.claude_stand_in import SESSION, recorded

GOOD = b"\n".join(recorded("good")) + b"\n"


def _reader() -> OutputReader:
    return OutputReader(Claude(()).output_parser())


def _pieces(data: bytes, most: int) -> list[bytes]:
    cuts = random.Random(4)
    found = []
    while data:
        size = cuts.randint(1, most)
        found.append(data[:size])
        data = data[size:]
    return found


def test_a_stream_has_the_same_report_in_pieces_of_any_size() -> None:
    whole, cut = _reader(), _reader()
    whole.feed(GOOD)
    for piece in _pieces(GOOD, 700):
        cut.feed(piece)

    assert whole.report is not None
    assert cut.report == whole.report
    assert cut.changes() == whole.changes() == {"session": SESSION, "doing": "", "session_cost": 0.0032}


def test_a_changed_fact_is_reported_only_once() -> None:
    reader = _reader()
    reader.feed(b"\n".join(recorded("good")[:3]) + b"\n")

    assert reader.changes() == {"session": SESSION, "doing": "Bash ls -la && cat README.md"}
    assert reader.changes() == {}


def test_the_raw_log_is_replayed_up_to_the_recorded_size(tmp_path: Path) -> None:
    log, at = tmp_path / "log", len(GOOD) - 100
    log.write_bytes(GOOD)
    reader = _reader()

    reader.replay(log, at)
    assert reader.report is None
    reader.feed(GOOD[at:])

    assert reader.report is not None
    assert reader.report.session_cost == 0.0032


def test_the_replay_of_a_long_log_can_be_interrupted(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(GOOD)

    with pytest.raises(TimeoutError):
        _reader().replay(log, len(GOOD), check=within(0))


def test_a_missing_log_is_replayed_as_empty(tmp_path: Path) -> None:
    reader = _reader()
    reader.replay(tmp_path / "none", 10)

    assert reader.changes() == {}


def test_a_line_that_is_too_long_is_skipped_and_the_next_line_is_parsed() -> None:
    reader = _reader()
    for _ in range(20):
        reader.feed(b"x" * (1 << 20))
    reader.feed(b"\n" + GOOD)

    assert reader.report is not None


def test_the_length_of_a_line_that_is_too_long_is_shown() -> None:
    lines = LineSplitter()

    found = [line for piece in [b"a" * (8 << 20), b"b\nnext\r\nla", b"st"] for line in lines.feed(piece)]

    assert found == [b"(a line of 8,388,609 bytes)", b"next"]
    assert lines.last() == b"last"
    assert lines.last() == b""


def test_a_last_line_without_a_line_end_is_parsed_at_the_end() -> None:
    reader = _reader()
    reader.feed(GOOD.rstrip(b"\n"))
    assert reader.report is None

    reader.end()

    assert reader.report is not None


def test_a_cut_last_line_is_not_a_result() -> None:
    reader = _reader()
    reader.feed(GOOD[:-50])
    reader.end()

    assert reader.report is None


@pytest.mark.parametrize("following", [recorded("good")[:1], recorded("good")[2:3]], ids=["init", "tool"])
def test_a_result_does_not_count_if_the_agent_continues(following: list[bytes]) -> None:
    reader = _reader()
    reader.feed(GOOD)
    reader.feed(b"\n".join(following) + b"\n")

    assert reader.report is None


def test_the_last_of_two_results_counts() -> None:
    reader = _reader()
    reader.feed(GOOD)
    reader.feed(b"\n".join(recorded("limit")) + b"\n")

    assert reader.report is not None
    assert reader.report.outcome is Outcome.RATE_LIMITED


def test_the_transcript_for_people_has_text_and_no_events() -> None:
    lines = b"warning: something\n" + GOOD + b"the end"

    shown = "".join(transcript(Claude(()).output_parser(), iter(_pieces(lines, 900))))

    assert shown.splitlines()[:4] == [
        "warning: something",
        "Model claude-opus-5-5",
        "I will look first.",
        "> Bash ls -la && cat README.md",
    ]
    assert shown.splitlines()[-2:] == ["It says that it is done.", "the end"]
    assert '"type"' not in shown


def test_the_last_message_is_text_for_people_and_not_an_event() -> None:
    reader = _reader()
    init, *_, result = recorded("good")

    shown = []
    others = [b"npm warn: old\n \n", b'{"type":"stream_event"}\n' + b"x" * 5000 + b"\n"]
    for line in (others[0], init + b"\n", others[1], result + b"\n"):
        reader.feed(line)
        shown.append(reader.last_message)

    assert shown == ["npm warn: old", *["Model claude-opus-5-5"] * 2, "It says that it is done."]


def test_the_transcript_of_a_command_line_agent_has_all_its_output() -> None:
    assert list(transcript(CommandLineAgent(["x"]).output_parser(), iter([b"one\n\ntw", b"o\n"]))) == [
        "one\n\n",
        "two\n",
    ]
