"""What runs outlives the bot's processes, and what was heard is done, however they end."""

import subprocess
import time

import pytest

from bot.domain.lifecycle import Outcome, Phase
from bot.domain.task import Run
from tests.journeys.test_one_command_one_run import at_once, caught, workers
from tests.journeys.world import Figures, World, eventually, shell

# Counts its starts, and prints numbered lines until it is let go.
COUNTING = """
echo started >>"$HOME/starts"
n=0
until rm "$HOME/go" 2>/dev/null; do
    n=$((n + 1))
    echo "line $n"
    sleep 0.05
done
echo $n >lines.txt
"""


@pytest.fixture
def forge() -> str:
    """Which forge it is makes no difference to what a worker leaves behind."""
    return "github"


def container_of(run: Run) -> tuple[str, bool]:
    """Id of the agent's container, and whether it runs."""
    asked = ["docker", "inspect", "--format", "{{.Id}} {{.State.Running}}", f"forgehand-{run.id}"]
    words = subprocess.run(asked, check=True, capture_output=True, text=True).stdout.split()
    return words[0], words[1] == "true"


def counting(world: World) -> Run:
    """A run whose agent counts, and has been heard to."""
    world.say(1, "/run " + shell(COUNTING))
    run = world.until_running()
    eventually(lambda: world.now(run).log_offset)
    world.settled()
    return world.now(run)


def ended_whole(world: World, run: Run) -> Run:
    """The run, let go and ended: its agent was started once, and every line it printed is there once."""
    world.let_go(run)
    task, ended = world.task_after_run(1)
    assert (ended.id, ended.outcome) == (run.id, Outcome.PUSHED), ended.reason
    count = int(world.git("show", f"origin/{task.branch}:lines.txt"))
    whole = "".join(f"line {n}\n" for n in range(1, count + 1)).encode()
    assert world.printed(run) == whole
    assert (world.data / "logs" / run.id).read_bytes() == whole
    assert (world.in_workspace(task) / "home" / "starts").read_text() == "started\n"
    assert world.phases(run) == list(Phase)
    world.final_comment(1, run)
    return ended


def thread(world: World) -> list[int]:
    """Its comments. What the one says that follows the run is late by up to ten seconds, as ever."""
    return [comment["id"] for comment in world.playground.comments(1)]


def start_all(world: World) -> None:
    """Receiver and worker apart where that can be."""
    for verb in ("serve", "work") if "queue" in world.settings else ("up",):
        world.start(verb)


def test_the_agent_of_a_killed_worker_goes_on_and_another_worker_follows_it(
    full: World, figures: Figures
) -> None:
    full.start("serve")
    first = full.start("work")
    run = counting(full)
    full.start("work")
    eventually(lambda: len(workers(full.data)) == 3)
    container = container_of(run)

    full.kill(first)

    died = time.monotonic()
    heard = full.now(run).log_offset
    eventually(lambda: full.now(run).log_offset > heard)
    followed = time.monotonic() - died
    assert container_of(run) == container
    ended = ended_whole(full, run)
    assert (ended.epoch, ended.takeovers) == (2, 0)  # takeovers are counted in each phase
    eventually(lambda: not full.containers())
    figures("the agent of a dead worker is followed again", followed, promised=5)


@pytest.mark.alike
def test_a_word_to_stop_to_every_process_changes_nothing_for_agent_and_thread(either: World) -> None:
    start_all(either)
    run = counting(either)
    container, before = container_of(run), thread(either)

    either.stop()
    assert container_of(run) == container
    start_all(either)

    eventually(lambda: either.now(run).log_offset > run.log_offset)
    assert container_of(run) == container
    assert thread(either) == before
    assert (either.now(run).epoch, either.now(run).takeovers) == (3, 0)  # let go, and taken
    ended_whole(either, run)


@pytest.mark.alike
def test_what_had_its_202_is_done_though_the_receiver_was_killed_at_once(either: World) -> None:
    delivery = caught(either, 1, "/run " + shell("echo one > one.txt"))
    start_all(either)
    receiver = either.processes[0]

    answers = at_once(either, [delivery])
    either.kill(receiver)

    assert answers == [202]
    if not either.processes:
        either.start()
    _, run = either.task_after_run(1)
    assert run.outcome is Outcome.PUSHED, run.reason
    either.final_comment(1, run)
