"""Restarts of the container engine: each run ends once.

A container is lost or continues, depending on the engine's settings.
The tests restart a second engine, which no other test uses.
"""

import json
from collections.abc import Iterator
from typing import TextIO

import pytest

from bot.domain.lifecycle import Phase, State
from bot.domain.outcomes import Outcome
from bot.domain.task import Run, Task
from tests.journeys.bot_processes import paced
from tests.journeys.test_adoption import check_complete_end, counting
from tests.journeys.world import World, shell
from tests.support.second_engine import SecondEngine, second_engine
from tests.support.waiting import eventually

pytestmark = pytest.mark.long

LEASE = 2.0  # seconds
LEAVES = """
echo one > one.txt; git add one.txt; git commit -qm one
echo not committed > notes.txt
echo begun
sleep 300
"""
GOES_ON = """
test "$(cat notes.txt)" = "not committed"
test "$(git log --format=%s | head -n 1)" = one
git add notes.txt; git commit -qm two
"""


@pytest.fixture
def forge() -> str:
    """Use one forge: a restart of the engine does not involve it."""
    return "github"


@pytest.fixture
def engine(request: pytest.FixtureRequest) -> Iterator[SecondEngine]:
    with second_engine(live_restore=getattr(request, "param", False)) as running:
        yield running


@pytest.fixture
def working(full: World, engine: SecondEngine) -> World:
    full.settings["sandbox"]["engine"] = engine.url
    full.start("serve")
    full.start("work", program=paced(lease=LEASE))
    return full


@pytest.mark.parametrize("how", ["stop", "kill", "crash"])
def test_a_run_lost_with_its_engine_can_be_resumed(working: World, engine: SecondEngine, how: str) -> None:
    working.say(1, "/run " + shell(LEAVES))
    run = working.until_running()
    eventually(lambda: b"begun" in working.printed(run))

    getattr(engine, how)()
    check_worker_waits(working, run)
    engine.start()

    task, lost = working.task_after_run(1)
    assert (lost.outcome, task.state, lost.epoch) == (Outcome.LOST, State.FAILED, 1)
    assert lost.reason.startswith("Its container was stopped from outside"), lost.reason
    said = working.final_comment(1, lost)
    assert "`/resume`" in said
    assert "kept until" in said
    assert working.quarantine(task, "show", f"refs/wip/{run.id}:notes.txt") == "not committed"
    assert working.playground.branch_head(task.branch) is None

    working.say(1, "/resume go on " + shell(GOES_ON))

    task, second = working.task_after_run(2)
    assert (second.outcome, task.state) == (Outcome.PUSHED, State.SUCCEEDED), second.reason
    log = working.git("log", "--reverse", "--format=%s", f"origin/main..origin/{task.branch}")
    assert log.splitlines() == ["one", "two"]
    check_single_end(working, engine, runs=2)


def kept(log: TextIO) -> bytes:
    """Return the output in a log of the engine, which has lines that are counted without repetition."""
    lines = [json.loads(line)["log"] for line in log]
    numbers = [int(line.removeprefix("line ")) for line in lines]
    assert numbers == sorted(set(numbers))
    assert numbers[-1] - len(numbers) < 20  # of hundreds
    return "".join(lines).encode()


@pytest.mark.parametrize("how", ["stop", "kill"])
@pytest.mark.parametrize("engine", [True], indirect=True, ids=["live-restore"])
def test_an_agent_that_outlives_its_engine_continues(working: World, engine: SecondEngine, how: str) -> None:
    run = counting(working)
    before = process_of(engine, run)

    getattr(engine, how)()
    check_worker_waits(working, run)
    engine.start()

    offset = working.now(run).log_offset
    eventually(lambda: working.now(run).log_offset > offset)
    assert process_of(engine, run) == before
    with engine.log_of(f"forgehand-{run.id}") as log:
        # The engine itself may lose lines that it has read and not written when it stops.
        assert check_complete_end(working, run, lambda: kept(log)).epoch == 1
    check_single_end(working, engine, runs=1)


def test_commands_wait_for_an_unavailable_engine(working: World, engine: SecondEngine) -> None:
    working.say(1, "/status")
    working.wait_for_comment(1, "There is no task")  # the worker has started, which needs an engine

    engine.stop()
    working.say(1, "/run " + shell("echo one > one.txt"))
    run = eventually(lambda: next((run for task in working.tasks() for run in working.runs(task)), None))
    check_worker_waits(working, run)
    assert working.now(run).phase is Phase.PREPARE
    engine.start()

    _, pushed = working.task_after_run(1)
    assert (pushed.id, pushed.outcome) == (run.id, Outcome.PUSHED), pushed.reason
    check_single_end(working, engine, runs=1)


def ended(task: Task) -> bool:
    return task.state not in (State.QUEUED, State.RUNNING)


def check_worker_waits(world: World, run: Run) -> None:
    """Check that the worker lives and retries, still has the run, and answers commands."""
    tries = "step retry scheduled"
    eventually(lambda: tries in world.output())  # in an outage it is logged once a minute
    world.say(1, "/status")
    world.wait_for_comment(1, f"**Task `{run.task}`**, run 1: ")
    [task] = world.tasks()
    assert not ended(task)
    assert all(process.poll() is None for process in world.processes)


def process_of(engine: SecondEngine, run: Run) -> str:
    """Return the container, the process and the start time of the agent."""
    asked = "{{.Id}} {{.State.Pid}} {{.State.StartedAt}}"
    return engine.docker("inspect", "--format", asked, f"forgehand-{run.id}")


def check_single_end(world: World, engine: SecondEngine, *, runs: int) -> None:
    """Check for one branch, one pull request, one final comment per run, and no container in the engine."""
    [task] = world.tasks()
    found = world.runs(task)
    assert len(found) == runs
    for run in found:
        world.final_comment(1, run)
    world.settled()
    assert sum("forgehand:final:" in body for body in world.bot_comments(1)) == runs
    assert len(world.playground.pulls()) == 1
    assert world.git("branch", "-r", "--list", "origin/forgehand/*").split() == [f"origin/{task.branch}"]
    eventually(lambda: not engine.docker("ps", "-aq"))
