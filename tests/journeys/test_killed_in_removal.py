"""Kills of the bot while it exports a workspace before its removal. After three, it is retained."""

import json
import signal
import subprocess
import time

import pytest

from bot.domain.outcomes import Outcome
from bot.domain.task import Task
from bot.store import removals, workspaces
from bot.store.ledger import clock
from bot.store.removals import MOST_DEATHS, Removal
from tests.journeys.world import World, shell
from tests.support import http
from tests.support.hanging_tools import hanging_image
from tests.support.waiting import PATIENCE, eventually

TOKEN = "the-operators-own-token"
# A link that leaves the tree is refused on the host. So nothing was exported, and the next export reaches
# git.
DEADLY = "touch hang-export; ln -s /etc/passwd out"


@pytest.fixture
def forge() -> str:
    """Use one forge: a removal does not involve it."""
    return "github"


@pytest.mark.alike
def test_a_workspace_is_retained_and_reported_after_three_kills_and_others_are_removed(either: World) -> None:
    world = either
    world.settings["server"]["operator_token"] = TOKEN
    _up(world)
    deadly = _task_after_run(world, DEADLY, Outcome.EXPORT_REFUSED)
    fine = _task_after_run(world, "true", Outcome.NO_CHANGES)
    later = _task_after_run(world, "true", Outcome.NO_CHANGES)
    world.stop()
    _end_retention(world, deadly)
    _end_retention(world, fine)
    with hanging_image() as image:
        world.settings["sandbox"]["tools_image"] = image

        for _ in range(MOST_DEATHS):
            _killed_in_an_export(world)
        _up(world)
        eventually(lambda: _record(world, deadly).is_stuck)
        eventually(lambda: not world.in_workspace(fine).exists())
        _end_retention(world, later)
        eventually(lambda: not world.in_workspace(later).exists())

        assert world.in_workspace(deadly).exists()
        assert (_record(world, deadly).deaths, _record(world, deadly).holder) == (MOST_DEATHS, "")
        assert world.output().count("workspace is stuck") == 1
        assert not [name for name in world.containers() if "rescue" in name]
        assert "The bot died 3 times" in _get(world, f"/tasks/{deadly.id}")
        assert "The bot died" not in _get(world, f"/tasks/{fine.id}")
        assert "forgehand_workspaces_stuck 1.0" in _get(world, "/metrics")
        [row] = json.loads(world.forgehand("workspaces", "ls", "--json"))
        assert (row["task"], row["stuck"]) == (deadly.id, True)

        world.forgehand("workspaces", "rm", "--yes", deadly.id)

        assert not world.in_workspace(deadly).exists()
        assert "forgehand_workspaces_stuck 0.0" in _get(world, "/metrics")
        # A killed process may have left the lock of a folder that it had removed: the janitor finds it.
        eventually(lambda: not list((world.data / "removals").iterdir()))


@pytest.mark.long  # tests/runs/test_stopped_worker.py stops at each place
def test_a_stop_during_an_export_is_quick_and_is_not_counted_as_a_death(
    embedded: World,
) -> None:
    world = embedded
    world.start("up")
    deadly = _task_after_run(world, DEADLY, Outcome.EXPORT_REFUSED)
    other = _task_after_run(world, "true", Outcome.NO_CHANGES)
    world.stop()
    _end_retention(world, deadly)
    with hanging_image() as image:
        world.settings["sandbox"]["tools_image"] = image
        world.start("up")
        eventually(lambda: [name for name in world.containers() if "rescue" in name])

        world.forgehand("workspaces", "rm", "--yes", other.id)
        assert not world.in_workspace(other).exists()

        begun = time.monotonic()
        world.stop()

        assert time.monotonic() - begun < 30
        _check_unharmed(world, deadly)
        with world.command("workspaces", "rm", "--yes", deadly.id) as command:
            eventually(lambda: _exporting(world))
            command.send_signal(signal.SIGTERM)
            assert command.wait(PATIENCE) == 128 + signal.SIGTERM
        _check_unharmed(world, deadly)


def _exporting(world: World) -> bool:
    """Report whether an export before a removal hangs in its own container."""
    names = [name for name in world.containers() if "rescue" in name]
    return (
        bool(names)
        and "sleep" in subprocess.run(["docker", "top", names[0]], capture_output=True, text=True).stdout
    )


def _check_unharmed(world: World, task: Task) -> None:
    """Check that the attempt at this workspace has ended and is not counted."""
    assert (_record(world, task).deaths, _record(world, task).holder) == (0, "")
    eventually(lambda: not world.containers())
    assert world.in_workspace(task).exists()


def _up(world: World) -> None:
    """Start one process, or a receiver and a worker."""
    if "queue" in world.settings:
        world.start("serve")
        world.start("work")
    else:
        world.start("up")


def _task_after_run(world: World, script: str, outcome: Outcome) -> Task:
    thread = world.playground.open_issue("Tidy")
    world.say(thread, f"/run {shell(script)}")
    task, run = world.task_after_run(1, on=thread)
    assert run.outcome is outcome, run.reason
    world.settled()
    return task


def _end_retention(world: World, task: Task) -> None:
    with world.ledger.write() as tx:
        workspaces.retain(tx, task.id, clock(tx) - 1)


def _killed_in_an_export(world: World) -> None:
    _up(world)
    eventually(lambda: _exporting(world))
    for process in list(world.processes):
        world.kill(process)
    _remove_containers(world)  # so that a container seen later belongs to a later attempt


def _remove_containers(world: World) -> None:
    for name in world.containers():
        subprocess.run(["docker", "rm", "-f", name], check=True, capture_output=True)


def _record(world: World, task: Task) -> Removal:
    with world.ledger.read() as tx:
        return removals.of_host(tx, (world.data / "instance").read_text())[task.id]


def _get(world: World, path: str) -> str:
    headers = {"authorization": f"Bearer {TOKEN}"}
    answer = http.get(f"http://127.0.0.1:{world.port}{path}", headers=headers)
    assert answer.status_code == 200
    return answer.text
