"""Containers and accepted deliveries that survive the end of the bot's processes."""

import subprocess
import time
from collections.abc import Callable

import pytest

from bot.domain.lifecycle import Phase
from bot.domain.outcomes import Outcome
from bot.domain.task import Run
from tests.journeys.test_one_command_one_run import at_once, captured, workers
from tests.journeys.world import Figures, World, shell
from tests.support.waiting import eventually

# Counts its starts, and prints numbered lines until the test lets it finish.
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
    """Use one forge: the leftovers of a worker do not depend on it."""
    return "github"


def container_of(run: Run) -> tuple[str, bool]:
    """Return the id of the agent's container, and whether it is running."""
    asked = ["docker", "inspect", "--format", "{{.Id}} {{.State.Running}}", f"forgehand-{run.id}"]
    words = subprocess.run(asked, check=True, capture_output=True, text=True).stdout.split()
    return words[0], words[1] == "true"


def counting(world: World) -> Run:
    """Start a run whose agent counts, and wait until its output has reached the ledger."""
    world.say(1, "/run " + shell(COUNTING))
    run = world.until_running()
    eventually(lambda: world.now(run).log_offset)
    world.settled()
    return world.now(run)


def check_complete_end(world: World, run: Run, logged: Callable[[], bytes] | None = None) -> Run:
    """Let the run finish, and check it: one start of the agent, and each printed line exactly once.

    With `logged`, each line that the engine has kept.
    """
    world.let_continue(run)
    task, ended = world.task_after_run(1)
    assert (ended.id, ended.outcome) == (run.id, Outcome.PUSHED), ended.reason
    count = int(world.git("show", f"origin/{task.branch}:lines.txt"))
    whole = "".join(f"line {n}\n" for n in range(1, count + 1)).encode() if logged is None else logged()
    assert world.printed(run) == whole
    assert (world.data / "logs" / run.id).read_bytes() == whole
    assert (world.in_workspace(task) / "home" / "starts").read_text() == "started\n"
    assert world.phases(run) == list(Phase)
    world.final_comment(1, run)
    return ended


def thread(world: World) -> list[int]:
    """Return the thread's comments. The progress comment may be up to ten seconds late, as always."""
    return [comment["id"] for comment in world.playground.comments(1)]


def start_all(world: World) -> None:
    """Start receiver and worker as separate processes if the world allows it."""
    for verb in ("serve", "work") if "queue" in world.settings else ("up",):
        world.start(verb)


def test_the_agent_of_a_killed_worker_continues_and_another_worker_adopts_it(
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
    offset = full.now(run).log_offset
    eventually(lambda: full.now(run).log_offset > offset)
    followed = time.monotonic() - died
    assert container_of(run) == container
    ended = check_complete_end(full, run)
    assert (ended.epoch, ended.takeovers) == (2, 0)  # takeovers are counted per phase
    eventually(lambda: not full.containers())
    figures("the agent of a dead worker is followed again", followed, promised=5)


@pytest.mark.alike
def test_a_stop_of_every_process_does_not_affect_the_agent_and_the_thread(either: World) -> None:
    start_all(either)
    run = counting(either)
    container, before = container_of(run), thread(either)

    either.stop()
    assert container_of(run) == container
    start_all(either)

    eventually(lambda: either.now(run).log_offset > run.log_offset)
    assert container_of(run) == container
    assert thread(either) == before
    assert (either.now(run).epoch, either.now(run).takeovers) == (3, 0)  # released, then claimed
    check_complete_end(either, run)


@pytest.mark.alike
def test_an_accepted_delivery_is_handled_even_if_the_receiver_is_killed_at_once(either: World) -> None:
    delivery = captured(either, 1, "/run " + shell("echo one > one.txt"))
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
