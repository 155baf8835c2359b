"""The last lines of an agent's output, for the final comment of a run that failed."""

import threading
from dataclasses import replace

import pytest

from bot.agents.command_line import CommandLineAgent
from bot.runs.last_lines import last_lines
from bot.runs.leased_run import LeasedRun
from bot.store import log_chunks
from bot.store.ledger import Ledger
from tests.support.fakes import FakeForge
from tests.support.rows import add_run, add_task
from tests.support.runtimes import TOKEN, a_runtime


@pytest.fixture
def leased(ledger: Ledger) -> LeasedRun:
    with ledger.write() as tx:
        task = add_task(tx)
        run = add_run(tx, task)
    runtime = replace(a_runtime(ledger, FakeForge()), agents={task.agent: CommandLineAgent(["sh"])})
    return LeasedRun(runtime, run, task, threading.Event())


def printed(leased: LeasedRun, output: bytes, lines: int = 20) -> str:
    """Return the last lines after this output."""
    with leased.runtime.ledger.write() as tx:
        log_chunks.append(tx, leased.run.id, 0, output)
    return last_lines(leased, lines)


def test_a_short_output_is_shown_whole_and_cleaned(leased: LeasedRun) -> None:
    output = f"\x1b[31mred\x1b[0m\nIt is {TOKEN}\u200b\n\n".encode()

    assert printed(leased, output) == "red\nIt is [redacted]"


def test_of_a_long_output_the_last_whole_lines_are_shown(leased: LeasedRun) -> None:
    output = "".join(f"line {number}\n" for number in range(100_000)).encode()

    assert printed(leased, output, 3) == "line 99997\nline 99998\nline 99999"


def test_the_lines_have_at_most_4000_characters(leased: LeasedRun) -> None:
    text = printed(leased, "\n".join(str(number) * 1_500 for number in range(5)).encode())

    assert [line[0] for line in text.split("\n")] == ["3", "4"]
    assert len(text) <= 4_000


@pytest.mark.parametrize(("output", "lines"), [(b"", 20), (b"\n\n", 20), (b"one\n", 0)])
def test_without_output_or_by_the_settings_there_are_no_lines(
    leased: LeasedRun, output: bytes, lines: int
) -> None:
    assert printed(leased, output, lines) == ""
