"""Agents exceed a limit: the run reports it, the bot uses little memory, and the next run succeeds."""

import re
from pathlib import Path

import pytest

from bot.domain.lifecycle import State
from bot.domain.outcomes import Outcome
from tests.journeys.world import World, shell
from tests.support.out_of_memory import GREEDY

TALKS = "while :; do echo at work; sleep 0.2; done"  # so that a busy machine does not make it silent
SILENT = "echo begun; sleep 60"
FORKS = f"n=0; while test $n -lt 200; do sleep 60 & n=$((n + 1)); done; {TALKS}"
FILLS = """
n=0
while :; do
    n=$((n + 1))
    head -c 20000000 /dev/zero > "$HOME/$n"
    echo "file $n"
    sleep 0.3
done
"""
ENDLESS_LINE = "head -c 20000000 /dev/zero | tr '\\000' x; echo; echo done > left.txt"
HALF_A_GIGABYTE = """
head -c 3999 /dev/zero | tr '\\000' x > "$HOME/line"
for n in 0 1 2 3 4 5 6 7 8 9; do cat "$HOME/line"; echo; done > "$HOME/ten"
for n in 0 1 2 3 4 5 6 7 8 9; do cat "$HOME/ten"; done > "$HOME/hundred"
n=0
while test $n -lt 1250; do cat "$HOME/hundred"; n=$((n + 1)); done
"""
SHORT_LINES = "seq 1 999999999"

PASSED = [
    ("--timeout 3s", TALKS, Outcome.TIMED_OUT, "It did not end within 3 s."),
    ("", SILENT, Outcome.IDLE, "It printed nothing for 4 s."),
    ("", f"{TALKS} & {GREEDY}", Outcome.OUT_OF_MEMORY, "It needed more than its 1g of memory."),
    ("", FORKS, Outcome.AGENT_FAILED, "It ended with exit status 2."),
    ("", FILLS, Outcome.DISK_FULL, r"Its workspace takes \d+ MiB and may take 60 MiB."),
]


@pytest.fixture
def forge() -> str:
    """Use one forge: the limits on an agent are the same for both."""
    return "github"


def _most_memory(world: World) -> int:
    """Return the peak memory of the bot's single process, in bytes."""
    [process] = world.processes
    [line] = re.findall(r"^VmHWM:\s+(\d+) kB$", Path(f"/proc/{process.pid}/status").read_text(), re.MULTILINE)
    return int(line) << 10


def _the_next_one_works(world: World) -> None:
    thread = world.playground.open_issue("The next one")
    world.say(thread, "/run " + shell("echo next > next.txt"))
    _, run = world.task_after_run(1, on=thread)
    assert run.outcome is Outcome.PUSHED, run.reason
    assert _most_memory(world) < 300 << 20
    assert world.containers() == []


@pytest.mark.long
def test_each_limit_ends_a_run_with_its_own_message_and_the_next_run_works(embedded: World) -> None:
    # Far more memory than disk: if the temporary folder is in memory, the agent's files count as its memory.
    embedded.settings["sandbox"] |= {"memory": "1g", "pids": 64, "disk": "60m", "idle_limit": "4s"}
    embedded.start()

    for options, script, outcome, reason in PASSED:
        thread = embedded.playground.open_issue(f"One for {outcome}")
        embedded.say(thread, f"/run {options} " + shell(f"echo left > left.txt; {script}"))

        task, run = embedded.task_after_run(1, on=thread)

        assert (run.outcome, task.state) == (outcome, State.FAILED), run.reason
        assert re.match(reason, run.reason), run.reason
        final = embedded.final_comment(thread, run)
        assert run.reason in final
        assert re.search(r"`/resume[^`]*`", final)
        assert embedded.playground.branch_head(task.branch) is None
        assert embedded.quarantine(task, "show", f"refs/wip/{run.id}:left.txt") == "left"
        _the_next_one_works(embedded)


@pytest.mark.long  # limits and settings have quick tests of repositories
def test_a_repository_has_its_own_limits(embedded: World) -> None:
    embedded.settings["sandbox"]["idle_limit"] = "1s"
    embedded.settings['limits.repositories."Acme/Anvil"'] = {"wall_limit": "3s", "idle_limit": "1m"}
    embedded.start()

    embedded.say(1, "/run --timeout 4m tidy")
    embedded.wait_for_comment(1, "`--timeout` is at most `3s` here.")
    embedded.say(1, "/run " + shell(SILENT))

    _, run = embedded.task_after_run(1, on=1)
    assert (run.outcome, run.wall_limit) == (Outcome.TIMED_OUT, 3), run.reason


@pytest.mark.long
def test_a_run_that_prints_a_line_of_20_million_bytes_succeeds(embedded: World) -> None:
    embedded.start()

    embedded.say(1, "/run " + shell(ENDLESS_LINE))

    task, run = embedded.task_after_run(1)
    assert run.outcome is Outcome.PUSHED, run.reason
    assert run.log_offset == 20_000_001
    assert embedded.git("show", f"origin/{task.branch}:left.txt") == "done"
    _the_next_one_works(embedded)


@pytest.mark.long
def test_an_agent_that_prints_half_a_gigabyte_is_stopped_at_its_limit(embedded: World) -> None:
    embedded.start()

    embedded.say(1, "/run " + shell(HALF_A_GIGABYTE))

    task, run = embedded.task_after_run(1, seconds=300)
    assert (run.outcome, task.state) == (Outcome.OUTPUT_LIMIT, State.FAILED), run.reason
    assert "It printed more than 268,435,456 bytes." in embedded.final_comment(1, run)
    assert (embedded.data / "logs" / run.id).stat().st_size < 270 << 20
    _the_next_one_works(embedded)


@pytest.mark.long
def test_an_agent_that_prints_too_many_short_lines_is_stopped_and_no_line_is_missing(embedded: World) -> None:
    embedded.start()

    embedded.say(1, "/run " + shell(SHORT_LINES))

    _, run = embedded.task_after_run(1, seconds=300)
    assert run.outcome is Outcome.OUTPUT_LIMIT, run.reason
    assert "It printed more than 1,342,177 lines." in embedded.final_comment(1, run)
    lines = (embedded.data / "logs" / run.id).read_bytes().splitlines()
    assert len(lines) >= 1_300_000  # Podman splits some lines into two pieces; each piece is counted
    assert all(int(line) == number for number, line in enumerate(lines, start=1))
    _the_next_one_works(embedded)
