"""Two hosts of one bot: a resume goes to the host of its workspace, unless that host is unresponsive."""

import secrets
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from bot.domain.lifecycle import State
from bot.domain.outcomes import Outcome
from bot.domain.task import Run
from tests.journeys.forked_bot import Process
from tests.journeys.world import Figures, World, shell
from tests.support import http

LEASE, UNRESPONSIVE_AFTER = 3.0, 4.0  # seconds, instead of 30 seconds and 5 minutes
# `forgehand work --host <name>` with a short lease and a short limit for unresponsive hosts. The composition
# root is called directly, because no setting changes the lease.
WORK = f"""
import pathlib, sys
from bot.app import processes
from bot.app.settings.settings import load
config, host = pathlib.Path(sys.argv[-1]), sys.argv[-3]
processes.work(load(config), host=host, lease={LEASE}, unresponsive_after={UNRESPONSIVE_AFTER})
"""
FIRST = "echo one > one.txt; git add one.txt; git commit -qm one; mkdir -p ~/notes"
LEAVES = (
    "test -d ~/notes; echo two > two.txt; git add two.txt; git commit -qm two; echo 3 > loose.txt; exit 3"
)
ON_ANOTHER_HOST = (
    "test ! -d ~/notes; test -e one.txt; test ! -e two.txt; test ! -e loose.txt; echo 4 > four.txt"
)
LOST = "untracked files, commits that were not pushed and the agent's notes were lost with it"


@dataclass
class Hosts:
    """`forgehand work` on two hosts, each with its own data folder."""

    world: World
    processes: dict[str, Process]

    def kill(self, run: Run) -> float:
        """Kill the host of this run; return the time of the kill."""
        process = self.processes.pop(run.host)
        process.send_signal(signal.SIGKILL)
        process.wait(30)
        self.world.processes.remove(process)
        return time.monotonic()


@pytest.fixture
def forge() -> str:
    """Use one forge: the location of a workspace does not depend on it."""
    return "github"


@pytest.fixture
def hosts(full: World) -> Iterator[Hosts]:
    full.settings["limits"] = {"per_host": 1}  # so two runs at once are on two hosts
    full.start("serve")
    names = [f"{name}-{secrets.token_hex(3)}" for name in ("one", "two")]
    try:
        yield Hosts(
            full,
            {
                name: full.start(
                    "work",
                    "--host",
                    name,
                    program=("-c", WORK),
                    FORGEHAND_DATA__PATH=str(full.folder / name),
                )
                for name in names
            },
        )
    finally:
        full.stop(signal.SIGKILL)
        for name in names:
            label = f"label=forgehand.instance={name}"
            found = subprocess.run(
                ["docker", "ps", "-aq", "--filter", label], capture_output=True, check=True
            )
            for container in found.stdout.decode().split():
                subprocess.run(["docker", "rm", "-f", container], capture_output=True, check=True)


@pytest.mark.long
def test_a_resume_runs_on_the_host_of_its_workspace_or_on_another_if_that_is_unresponsive(
    hosts: Hosts, figures: Figures
) -> None:
    world = hosts.world
    world.say(1, "/run " + shell(FIRST))
    task, first = world.task_after_run(1)
    assert first.outcome is Outcome.PUSHED, first.reason

    world.say(1, "/resume go on " + shell(LEAVES))
    _, second = world.task_after_run(2)
    assert (second.outcome, second.exit_status, second.host) == (Outcome.AGENT_FAILED, 3, first.host)
    died = hosts.kill(second)
    world.say(1, "/resume and on " + shell(ON_ANOTHER_HOST))

    third = world.until_running(3)
    figures(
        "from a host's death to its resume on another, including the wait for a sign of life",
        time.monotonic() - died,
        promised=9.0,
    )
    task, third = world.task_after_run(3)
    assert third.host in hosts.processes
    assert (third.outcome, task.state) == (Outcome.PUSHED, State.SUCCEEDED), third.reason
    assert LOST in world.final_comment(1, third)
    files = world.git("ls-tree", "--name-only", f"origin/{task.branch}").split()
    assert {"one.txt", "four.txt"} <= set(files)
    assert not {"two.txt", "loose.txt"} & set(files)


@pytest.mark.long
def test_a_run_that_dies_with_its_host_is_reported_as_lost(hosts: Hosts, figures: Figures) -> None:
    world = hosts.world
    world.say(1, "/run " + shell("echo one > one.txt; sleep 600"))
    run = world.until_running()
    died = hosts.kill(run)

    task, run = world.task_after_run(1)
    figures(
        "from a host's death to its run's end, including the wait for a sign of life",
        time.monotonic() - died,
        promised=12.0,
    )

    assert (run.outcome, task.state) == (Outcome.LOST, State.FAILED)
    assert "The machine that had the workspace has stopped responding." in world.final_comment(1, run)
    world.say(1, "/resume")
    world.until_running(2)
    world.wait_for_comment(1, LOST)
    world.say(1, "/cancel")
    assert world.task_after_run(2)[1].outcome is Outcome.CANCELLED


@pytest.mark.long
def test_links_of_both_hosts_open_on_the_same_server(hosts: Hosts) -> None:
    world = hosts.world
    numbers = [world.playground.open_issue(f"Issue {number}") for number in range(4)]
    for number in numbers:
        world.say(number, "/run " + shell("sleep 5; echo 1 > one.txt"))
    ended = [world.task_after_run(1, on=number) for number in numbers]

    assert {run.host for _, run in ended} == set(hosts.processes)
    for number, (_, run) in zip(numbers, ended, strict=True):
        text = world.final_comment(number, run)
        link = text.rpartition("[log](")[2].partition(")")[0]
        assert http.get(link).is_success, link
