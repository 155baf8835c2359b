"""Phase agent: one worker, or several one after another, follow an agent to its end."""

import gc
import re
import shutil
import signal
import threading
from collections.abc import Callable, Iterator, MutableMapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from bot.domain.lifecycle import Phase, State
from bot.domain.outcomes import Outcome
from bot.domain.task import Run
from bot.runs import disk_usage
from bot.runs.execute import execute
from bot.runs.run_limits import RunLimits
from bot.runs.runtime import Runtime
from bot.sandbox.engine.containers import Engine
from bot.store import workspaces
from tests.support.services import Postgres
from tests.support.worker_bench import FOREVER, Workshop, in_a_workshop, until

ENGINE = "/var/run/docker.sock"
# Prints numbered lines until the file `go` exists, and three more.
COUNTING = """
say() { n=$((n + 1)); echo "line $n"; }
n=0
while test ! -e go; do say; sleep 0.02; done
for _ in 1 2 3; do say; done
rm go
echo "$n" > lines
"""


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Workshop]:
    with in_a_workshop(tmp_path) as shop:
        yield shop


def _work_until_output(shop: Workshop, runtime: Runtime, run: Run) -> None:
    """Work on the run until its agent has printed something, then stop the worker."""
    with shop.busy(runtime, run) as stopping:
        until(lambda: shop.printed(run) != b"")
        stopping.set()


def _allowing(runtime: Runtime, *, idle: int = 60, disk: int = 1 << 30) -> Runtime:
    """Return the runtime with these limits: seconds without output, and bytes of disk."""
    container = replace(runtime.limits.container, disk=disk)
    return replace(runtime, limits=RunLimits(container, idle))


def _end_agent(shop: Workshop, run: Run) -> None:
    (shop.runtime.data.workspace(run.task) / "repo" / "go").touch()


def test_an_agent_continues_without_a_worker_and_the_next_worker_follows_it_to_its_end(
    shop: Workshop,
) -> None:
    run = shop.claimed()
    _work_until_output(shop, shop.agent(COUNTING), run)
    alone = shop.now(run)
    assert (alone.state, alone.phase) == (State.RUNNING, Phase.AGENT)
    condition = shop.runtime.engine.condition(f"forgehand-{run.id}")
    assert condition is not None
    assert condition.running
    assert 0 < alone.log_offset == len(shop.printed(run))

    raw = shop.runtime.data.log(run.id)
    with raw.open("ab") as file:
        file.write(b"written by a worker that was killed before it recorded this in the ledger\n")

    again, runtime = shop.taken_over("next")
    with shop.busy(runtime, again):
        until(lambda: shop.now(run).log_offset > alone.log_offset)
        _end_agent(shop, run)

    ended = shop.now(run)
    assert (ended.outcome, ended.takeovers, ended.number) == (Outcome.PUSHED, 0, 1)
    count = int(shop.desk.git("cat-file", "blob", f"{shop.task(run).branch}:lines"))
    whole = "".join(f"line {n}\n" for n in range(1, count + 1)).encode()
    assert shop.printed(run) == whole
    assert raw.read_bytes() == whole


def test_an_agent_whose_container_has_vanished_is_lost_and_its_workspace_is_retained(shop: Workshop) -> None:
    run = shop.claimed()
    _work_until_output(shop, shop.agent(f"echo 1 > x; git add x; git commit -qm x; {FOREVER}"), run)
    shop.runtime.engine.remove(f"forgehand-{run.id}")

    again, runtime = shop.taken_over("next")
    execute(runtime, again, threading.Event())

    ended = shop.now(run)
    assert (ended.outcome, ended.reason) == (Outcome.LOST, "Its container is not there any more.")
    assert shop.saved(run, "checked", "x") == "1\n"
    assert shop.branches() == []
    with shop.runtime.ledger.read() as tx:
        kept = workspaces.get(tx, run.task)
    assert kept is not None
    assert kept.removed_at is None
    assert kept.keep_until is not None
    assert (shop.runtime.data.workspace(run.task) / "repo" / "x").exists()


def test_an_agent_that_was_stopped_from_outside_is_lost_and_not_failed(shop: Workshop) -> None:
    run = shop.claimed()
    with shop.busy(shop.agent(f"echo 1 > x; {FOREVER}"), run):
        until(lambda: shop.printed(run) != b"")
        shop.runtime.engine.stop(f"forgehand-{run.id}")  # as an engine does when it shuts down

    ended = shop.now(run)
    assert (ended.outcome, ended.exit_status) == (Outcome.LOST, 128 + signal.SIGTERM)
    assert "stopped from outside" in ended.reason
    assert shop.saved(run, "wip", "x") == "1\n"


def test_exit_status_255_is_a_failure_if_a_worker_followed_the_agent_and_a_loss_otherwise(
    shop: Workshop,
) -> None:
    assert shop.done("exit 255").outcome is Outcome.AGENT_FAILED

    run = shop.claimed()
    _work_until_output(shop, shop.agent("echo begun; until test -e go; do sleep 0.02; done; exit 255"), run)
    _end_agent(shop, run)
    until(lambda: not getattr(shop.runtime.engine.condition(f"forgehand-{run.id}"), "running", True))
    again, runtime = shop.taken_over("next")
    execute(runtime, again, threading.Event())

    assert shop.now(run).outcome is Outcome.LOST  # the same status as after a crash of the machine


# The library does not close a socket that it could not connect.
@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
def test_a_run_waits_if_the_engine_is_unavailable_before_or_during_the_agent(
    shop: Workshop, tmp_path: Path
) -> None:
    engine = tmp_path / "engine.sock"
    runtime = replace(shop.agent(COUNTING), engine=Engine(url=f"unix://{engine}", instance="away", uid=10001))
    run = shop.claimed()
    with capture_logs() as logged, shop.busy(runtime, run):
        until(lambda: _waits(logged))
        assert shop.now(run).phase is Phase.PREPARE
        engine.symlink_to(ENGINE)
        until(lambda: shop.printed(run) != b"")
        engine.unlink()
        logged.clear()
        _end_agent(shop, run)
        until(lambda: _waits(logged))
        assert shop.now(run).state is State.RUNNING
        engine.symlink_to(ENGINE)

    assert shop.now(run).outcome is Outcome.PUSHED
    assert runtime.engine.ours() == []
    gc.collect()


def _waits(logged: list[MutableMapping[str, Any]]) -> bool:
    return any(line["event"] == "step retry scheduled" for line in logged)


def test_the_exit_status_of_an_agent_that_no_worker_followed_decides_even_after_its_time_limit(
    shop: Workshop,
) -> None:
    run = shop.claimed()
    _work_until_output(shop, shop.agent(COUNTING), run)
    _end_agent(shop, run)
    until(lambda: not getattr(shop.runtime.engine.condition(f"forgehand-{run.id}"), "running", True))
    shop.out_of_time(run)

    again, runtime = shop.taken_over("next")
    execute(runtime, again, threading.Event())

    assert (shop.now(run).outcome, shop.now(run).exit_status) == (Outcome.PUSHED, 0)
    assert shop.printed(run).splitlines()[-1].startswith(b"line ")


def test_a_cancel_takes_effect_if_the_agent_was_stopped_before_the_worker_recorded_it(
    shop: Workshop,
) -> None:
    run = shop.claimed()
    _work_until_output(shop, shop.agent(f"echo 1 > x; {FOREVER}"), run)
    assert shop.cancel(run)
    shop.runtime.engine.stop(f"forgehand-{run.id}")

    again, runtime = shop.taken_over("next")
    execute(runtime, again, threading.Event())

    assert shop.now(run).outcome is Outcome.CANCELLED
    assert shop.saved(run, "wip", "x") == "1\n"


@pytest.mark.long  # tests of cancels have an agent that even ignores the signal
def test_the_work_of_a_cancelled_agent_is_in_the_quarantine_and_is_not_pushed(shop: Workshop) -> None:
    run = shop.claimed()

    with shop.busy(shop.agent(f"echo 1 > x; git add x; git commit -qm x; echo 2 > y; {FOREVER}"), run):
        until(lambda: shop.printed(run) == b"begun\n")
        assert shop.cancel(run)

    ended = shop.now(run)
    assert (ended.outcome, ended.state, ended.reason) == (Outcome.CANCELLED, State.CANCELLED, "")
    assert (shop.saved(run, "checked", "x"), shop.saved(run, "wip", "y")) == ("1\n", "2\n")
    assert (shop.saved(run, "checked", "y"), shop.branches(), shop.containers()) == ("", [], [])


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
    _work_until_output(shop, shop.agent(FOREVER), run)

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
    _work_until_output(shop, shop.agent(f"echo 1 > x; {FOREVER}"), run)

    again, runtime = shop.taken_over("next")
    free = shutil.disk_usage(runtime.data.root).free
    execute(replace(runtime, free_space=3 * free), again, threading.Event())

    ended = shop.now(run)
    assert ended.outcome is Outcome.DISK_FULL
    assert re.fullmatch(
        r"The disk of the workspaces has only [0-9.]+ [GM]iB left, for all of them\.", ended.reason
    )
    assert shop.saved(run, "wip", "x") == "1\n"


@pytest.mark.waits
def test_an_agent_continues_while_the_ledger_is_unavailable_and_the_same_worker_follows_it(
    tmp_path: Path, postgres: Postgres, postgres_url: Callable[[], str]
) -> None:
    url = postgres_url()
    with in_a_workshop(tmp_path, url) as shop, capture_logs() as logged:
        run = shop.claimed()
        with shop.busy(shop.agent(COUNTING), run):
            until(lambda: shop.printed(run) != b"")
            with postgres.unavailable(url):
                until(lambda: any(line["event"] == "ledger went away" for line in logged))
            before = shop.now(run).log_offset
            until(lambda: shop.now(run).log_offset > before)
            _end_agent(shop, run)

        ended = shop.now(run)
        assert (ended.outcome, ended.epoch, ended.takeovers) == (Outcome.PUSHED, 1, 0)
        count = int(shop.desk.git("cat-file", "blob", f"{shop.task(run).branch}:lines"))
        whole = "".join(f"line {n}\n" for n in range(1, count + 1)).encode()
        assert shop.printed(run) == shop.runtime.data.log(run.id).read_bytes() == whole
