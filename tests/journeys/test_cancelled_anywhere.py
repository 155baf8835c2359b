"""`/cancel` takes effect at once in every phase in which a run hangs, and the thread reports it."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.domain.lifecycle import State
from bot.domain.outcomes import Outcome
from bot.domain.task import Run, Task
from tests.journeys.world import Figures, World, shell
from tests.support.delayed_requests import DelayedRequests
from tests.support.hanging import git_hangs
from tests.support.playground_gitlab import AnyPlayground
from tests.support.waiting import eventually

WORK = "echo one > one.txt; git add one.txt; git commit -qm one; echo left > left.txt"
GOES_ON = 'test "$(cat one.txt)" = one; test "$(cat left.txt)" = left; echo on > on.txt'


@pytest.fixture
def delayed() -> DelayedRequests:
    """Delay git's requests."""
    return DelayedRequests(lambda scope: ".git/" in scope["path"])


@pytest.fixture
def playground(tmp_path: Path, delayed: DelayedRequests) -> Iterator[AnyPlayground]:
    with delayed.playground(tmp_path / "forge") as running:
        yield running


def cancelled(world: World, figures: Figures, where: str) -> tuple[Task, Run]:
    """Cancel the run from the thread; return the task and its run when the run has ended."""
    world.say(1, "/cancel")
    world.wait_for_comment(1, "Stopping task `")  # the flag is in the ledger
    asked = time.monotonic()
    task, run = world.task_after_run(1)
    figures(f"ended after a cancel in {where}", time.monotonic() - asked, promised=5)
    assert (run.outcome, task.state) == (Outcome.CANCELLED, State.CANCELLED), run.reason
    assert world.playground.branch_head(task.branch) is None
    assert "**Cancelled**" in world.final_comment(1, run)
    assert world.containers() == []
    return task, run


def until_container_of(world: World, helper: str) -> Run:
    """Return the run when its container of this name exists."""

    def found() -> Run | None:
        runs = world.runs() if world.tasks() else []
        name = f"forgehand-{runs[0].id}-{runs[0].epoch}-{helper}" if runs else ""
        return runs[0] if name and name in world.containers() else None

    return eventually(found)


def next_run_has_all_work(world: World) -> None:
    """Check that the next run finds everything that the cancelled run made."""
    world.say(1, "/resume " + shell(GOES_ON))
    task, run = world.task_after_run(2)
    assert run.outcome is Outcome.PUSHED, run.reason
    assert world.git("show", f"origin/{task.branch}:one.txt") == "one"
    assert world.git("show", f"origin/{task.branch}:left.txt") == "left"


@pytest.mark.long  # tests/runs/test_cancelled.py tests each place without a forge
def test_cancel_takes_effect_while_the_forge_does_not_answer_git(
    full: World, delayed: DelayedRequests, figures: Figures
) -> None:
    full.start()
    delayed.delaying.set()
    full.say(1, "/run " + shell(WORK))
    assert delayed.arrived.wait(60)

    _, run = cancelled(full, figures, "a fetch")

    assert not run.agent_started
    delayed.delaying.clear()
    full.say(1, "/resume " + shell(f"{WORK}; {GOES_ON}"))
    assert full.task_after_run(2)[1].outcome is Outcome.PUSHED


def test_cancel_takes_effect_while_the_workspace_is_prepared(embedded: World, figures: Figures) -> None:
    with git_hangs("prepare") as image:
        embedded.settings["sandbox"]["tools_image"] = image
        embedded.start()
        embedded.say(1, "/run " + shell(WORK))
        until_container_of(embedded, "prepare")

        _, run = cancelled(embedded, figures, "a preparation")

        assert not run.agent_started
        embedded.stop()


@pytest.mark.long  # tests/runs/test_cancelled.py tests each place without a forge
def test_the_next_run_has_the_work_of_a_run_that_was_cancelled_during_its_export(
    full: World, figures: Figures
) -> None:
    usual = full.settings["sandbox"]["tools_image"]
    with git_hangs("export") as image:
        full.settings["sandbox"]["tools_image"] = image
        full.start()
        full.say(1, "/run " + shell(WORK))
        until_container_of(full, "export")

        task, run = cancelled(full, figures, "an export")
        full.stop()

    assert "It stays there." in full.final_comment(1, run)
    assert "kept until" in full.final_comment(1, run)
    assert (full.data / "workspaces" / task.id / "repo" / "left.txt").exists()
    full.settings["sandbox"]["tools_image"] = usual
    full.start()
    full.say(1, "/diff")
    full.wait_for_comment(
        1, "was cancelled. Its work has not been taken out of the workspace yet, and stays there."
    )
    next_run_has_all_work(full)


@pytest.mark.long  # tests/runs/test_cancelled.py tests each place without a forge
def test_the_thread_reports_that_a_cancelled_agent_is_being_stopped(embedded: World) -> None:
    with git_hangs("export") as image:  # gives the comments in between time to appear
        embedded.settings["sandbox"]["tools_image"] = image
        embedded.start()
        embedded.say(1, "/run " + shell(f"{WORK}; sleep 300"))
        task = embedded.until_running().task

        embedded.say(1, "/cancel")

        said = f"Task `{task}`, run 1: cancelled; stopping the agent and exporting its work"
        eventually(lambda: [body for body in embedded.bot_comments(1) if said in body], seconds=15)
        assert embedded.runs()[0].ended_at is None
        embedded.stop()
