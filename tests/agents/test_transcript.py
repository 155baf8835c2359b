"""The facts in an agent's output, in pieces of any size and mixed with other output."""

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


def _listening() -> OutputReader:
    return OutputReader(Claude(()).output_parser())


def _pieces(data: bytes, most: int) -> list[bytes]:
    cuts = random.Random(4)
    found = []
    while data:
        size = cuts.randint(1, most)
        found.append(data[:size])
        data = data[size:]
    return found


def test_a_stream_has_the_same_meaning_in_pieces_of_any_size() -> None:
    whole, cut = _listening(), _listening()
    whole.feed(GOOD)
    for piece in _pieces(GOOD, 700):
        cut.feed(piece)

    assert whole.report is not None
    assert cut.report == whole.report
    assert cut.changes() == whole.changes() == {"session": SESSION, "doing": "", "session_cost": 0.0032}


def test_a_change_is_reported_once() -> None:
    listening = _listening()
    listening.feed(b"\n".join(recorded("good")[:3]) + b"\n")

    assert listening.changes() == {"session": SESSION, "doing": "Bash ls -la && cat README.md"}
    assert listening.changes() == {}


def test_the_raw_log_is_replayed_up_to_the_recorded_size(tmp_path: Path) -> None:
    log, at = tmp_path / "log", len(GOOD) - 100
    log.write_bytes(GOOD)
    listening = _listening()

    listening.replay(log, at)
    assert listening.report is None
    listening.feed(GOOD[at:])

    assert listening.report is not None
    assert listening.report.session_cost == 0.0032


def test_the_replay_of_a_long_log_can_be_interrupted(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(GOOD)

    with pytest.raises(TimeoutError):
        _listening().replay(log, len(GOOD), check=within(0))


def test_a_missing_log_is_replayed_as_empty(tmp_path: Path) -> None:
    listening = _listening()
    listening.replay(tmp_path / "none", 10)

    assert listening.changes() == {}


def test_a_line_that_is_too_long_is_skipped_and_the_next_one_parsed() -> None:
    listening = _listening()
    for _ in range(20):
        listening.feed(b"x" * (1 << 20))
    listening.feed(b"\n" + GOOD)

    assert listening.report is not None


def test_the_length_of_a_line_that_is_too_long_is_shown() -> None:
    lines = LineSplitter()

    found = [line for piece in [b"a" * (8 << 20), b"b\nnext\r\nla", b"st"] for line in lines.feed(piece)]

    assert found == [b"(a line of 8,388,609 bytes)", b"next"]
    assert lines.last() == b"last"
    assert lines.last() == b""


def test_a_last_line_without_an_end_counts() -> None:
    listening = _listening()
    listening.feed(GOOD.rstrip(b"\n"))
    assert listening.report is None

    listening.end()

    assert listening.report is not None


def test_a_cut_last_line_is_not_a_result() -> None:
    listening = _listening()
    listening.feed(GOOD[:-50])
    listening.end()

    assert listening.report is None


@pytest.mark.parametrize("following", [recorded("good")[:1], recorded("good")[2:3]], ids=["init", "tool"])
def test_a_result_after_which_it_continues_does_not_count(following: list[bytes]) -> None:
    listening = _listening()
    listening.feed(GOOD)
    listening.feed(b"\n".join(following) + b"\n")

    assert listening.report is None


def test_of_two_results_the_last_counts() -> None:
    listening = _listening()
    listening.feed(GOOD)
    listening.feed(b"\n".join(recorded("limit")) + b"\n")

    assert listening.report is not None
    assert listening.report.outcome is Outcome.RATE_LIMITED


def test_people_read_text_and_not_events() -> None:
    lines = b"warning: something\n" + GOOD + b"the end"

    said = "".join(transcript(Claude(()).output_parser(), iter(_pieces(lines, 900))))

    assert said.splitlines()[:4] == [
        "warning: something",
        "Model claude-opus-5-5",
        "I will look first.",
        "> Bash ls -la && cat README.md",
    ]
    assert said.splitlines()[-2:] == ["It says that it is done.", "the end"]
    assert '"type"' not in said


def test_the_last_message_is_one_for_people() -> None:
    listening = _listening()
    init, *_, result = recorded("good")

    said = []
    others = [b"npm warn: old\n \n", b'{"type":"stream_event"}\n' + b"x" * 5000 + b"\n"]
    for line in (others[0], init + b"\n", others[1], result + b"\n"):
        listening.feed(line)
        said.append(listening.last_message)

    assert said == ["npm warn: old", *["Model claude-opus-5-5"] * 2, "It says that it is done."]


def test_all_output_of_any_command_line_is_shown() -> None:
    assert list(transcript(CommandLineAgent(["x"]).output_parser(), iter([b"one\n\ntw", b"o\n"]))) == [
        "one\n\n",
        "two\n",
    ]
