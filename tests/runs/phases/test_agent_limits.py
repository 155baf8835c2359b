"""Phase agent: limits of output, of time and of disk, and output within them."""

import re
import shutil
import signal
import threading
from dataclasses import replace

import pytest

from bot.domain.lifecycle import Phase
from bot.domain.outcomes import Outcome
from bot.runs import disk_usage
from bot.runs.execute import execute
from bot.runs.run_limits import RunLimits
from bot.runs.runtime import Runtime
from tests.runs.phases.stopped_worker import work_until_output
from tests.support.worker_bench import FOREVER, Workshop


def _allowing(runtime: Runtime, *, idle: int = 60, disk: int = 1 << 30) -> Runtime:
    """Return the runtime with these limits: seconds without output, and bytes of disk."""
    container = replace(runtime.limits.container, disk=disk)
    return replace(runtime, limits=RunLimits(container, idle))


def test_an_agent_that_prints_without_end_is_stopped_with_a_reason(shop: Workshop) -> None:
    run = shop.claimed()
    line = "this line is there many times " * 10

    execute(
        shop.agent(f"echo 1 > x; while :; do echo '{line}'; done", log_bytes=20_000), run, threading.Event()
    )

    ended = shop.now(run)
    assert (ended.outcome, ended.reason) == (Outcome.OUTPUT_LIMIT, "It printed more than 20,000 bytes.")
    assert (shop.saved(run, "wip", "x"), shop.branches(), shop.containers()) == ("1\n", [], [])
    raw = shop.runtime.data.log(run.id).read_bytes()
    assert shop.printed(run) == raw
    assert set(raw.split(b"\n")[:-1]) == {line.encode()}


def test_empty_lines_count_towards_the_limit_of_lines(shop: Workshop) -> None:
    run = shop.claimed()

    execute(shop.agent("while :; do echo; done", log_bytes=20_000), run, threading.Event())

    ended = shop.now(run)
    assert (ended.outcome, ended.reason) == (Outcome.OUTPUT_LIMIT, "It printed more than 100 lines.")


def test_a_line_of_a_million_bytes_is_in_the_log(shop: Workshop) -> None:
    run = shop.done("head -c 1000000 /dev/zero | tr '\\000' x; echo; echo 1 > x")

    assert (run.outcome, run.log_offset) == (Outcome.PUSHED, 1_000_001)
    assert shop.printed(run) == b"x" * 1_000_000 + b"\n"


def test_an_agent_that_prints_nothing_is_stopped(shop: Workshop) -> None:
    run = shop.claimed()

    execute(_allowing(shop.agent(f"echo 1 > x; {FOREVER}"), idle=1), run, threading.Event())

    ended = shop.now(run)
    assert (ended.outcome, ended.reason) == (Outcome.IDLE, "It printed nothing for 1 s.")
    assert (shop.saved(run, "wip", "x"), shop.printed(run), shop.containers()) == ("1\n", b"begun\n", [])


def test_an_agent_that_prints_now_and_then_is_not_stopped(shop: Workshop) -> None:
    run = shop.claimed()

    script = "for _ in 1 2 3 4; do echo .; sleep 0.7; done; echo 1 > x"
    execute(_allowing(shop.agent(script), idle=2), run, threading.Event())

    assert shop.now(run).outcome is Outcome.PUSHED


def test_a_takeover_does_not_extend_the_time_limit_of_an_agent(shop: Workshop) -> None:
    run = shop.claimed(wall_limit=3)
    work_until_output(shop, shop.agent(FOREVER), run)

    again, runtime = shop.taken_over("next")
    execute(runtime, again, threading.Event())

    ended = shop.now(run)
    assert (ended.outcome, ended.reason) == (Outcome.TIMED_OUT, "It did not end within 3 s.")
    [(began, end)] = [(began, end) for phase, began, end in shop.phases(run) if phase is Phase.AGENT]
    assert end is not None
    assert 3 <= end - began < 9
    assert shop.containers() == []


def test_the_last_output_without_a_line_end_is_in_the_log(shop: Workshop) -> None:
    run = shop.done("echo one; printf two")

    assert shop.printed(run) == b"one\ntwo"
    assert (run.outcome, run.log_offset) == (Outcome.NO_CHANGES, len(b"one\ntwo"))


FILLS = """
n=0
while :; do
    n=$((n + 1))
    head -c 20000000 /dev/zero > "$HOME/$n"
    sleep 0.1
done
"""


def test_an_agent_that_fills_its_workspace_is_stopped_and_its_files_are_retained(
    shop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disk_usage, "_PAUSE", 0.5)
    monkeypatch.setattr(disk_usage, "_SHARE", 1)
    run = shop.claimed()

    execute(_allowing(shop.agent(f"echo 1 > x; {FILLS}"), disk=50 << 20), run, threading.Event())

    ended = shop.now(run)
    assert ended.outcome is Outcome.DISK_FULL
    assert re.fullmatch(r"Its workspace takes \d+ MiB and may take 50 MiB\.", ended.reason)
    assert (shop.saved(run, "wip", "x"), shop.containers()) == ("1\n", [])
    assert (shop.runtime.data.workspace(run.task) / "home" / "1").stat().st_size == 20_000_000


def test_a_file_of_an_agent_cannot_exceed_the_size_limit_of_its_workspace(shop: Workshop) -> None:
    run = shop.claimed()

    execute(
        _allowing(shop.agent('dd if=/dev/zero of="$HOME/large" bs=1M count=60'), disk=50 << 20),
        run,
        threading.Event(),
    )

    ended = shop.now(run)
    assert (ended.outcome, ended.exit_status) == (Outcome.AGENT_FAILED, 128 + signal.SIGXFSZ)
    assert (shop.runtime.data.workspace(run.task) / "home" / "large").stat().st_size == 50 << 20


def test_an_agent_is_stopped_if_the_shared_disk_has_too_little_free_space(shop: Workshop) -> None:
    run = shop.claimed()
    work_until_output(shop, shop.agent(f"echo 1 > x; {FOREVER}"), run)

    again, runtime = shop.taken_over("next")
    free = shutil.disk_usage(runtime.data.root).free
    execute(replace(runtime, free_space=3 * free), again, threading.Event())

    ended = shop.now(run)
    assert ended.outcome is Outcome.DISK_FULL
    assert re.fullmatch(
        r"The disk of the workspaces has only [0-9.]+ [GM]iB left, for all of them\.", ended.reason
    )
    assert shop.saved(run, "wip", "x") == "1\n"
