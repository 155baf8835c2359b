"""A failed run loses no work, and `/resume` continues in the same workspace."""

import pytest

from bot.domain.lifecycle import State
from bot.domain.outcomes import Outcome
from tests.journeys.world import World, shell
from tests.support.waiting import eventually

pytestmark = pytest.mark.alike

FIRST = "echo one > one.txt; git add one.txt; git commit -qm one"
FAILS = """
echo two > two.txt; git add two.txt; git commit -qm two
echo edited >> one.txt
echo untracked > notes.txt
echo remembered > "$HOME/memory"
exit 3
"""
AGAIN = """
test "$(cat notes.txt)" = untracked
test "$(cat "$HOME/memory")" = remembered
grep -q edited one.txt
test "$(git log --format=%s | head -n 1)" = two
echo three > three.txt; git add three.txt notes.txt one.txt; git commit -qm three
"""


def test_a_failed_run_loses_nothing_and_can_be_resumed(either: World) -> None:
    either.start()
    either.say(1, "/run " + shell(FIRST))
    task, first = either.task_after_run(1)
    assert first.outcome is Outcome.PUSHED, first.reason
    pushed = task.pushed_head

    either.say(1, "/resume now add tests " + shell(FAILS))

    task, second = either.task_after_run(2)
    assert (second.outcome, task.state, second.exit_status) == (Outcome.AGENT_FAILED, State.FAILED, 3)
    assert "exit status 3" in either.final_comment(1, second)
    assert either.playground.branch_head(task.branch) == pushed
    eventually(
        lambda: either.playground.statuses(pushed)[0]["state"] in {"error", "failure"}
    )  # GitLab has one word
    assert either.quarantine(task, "show", f"{task.checked_head}:two.txt") == "two"
    assert either.quarantine(task, "show", f"refs/wip/{second.id}:notes.txt") == "untracked"
    assert (either.in_workspace(task) / "repo").is_dir()

    either.say(1, "/resume try again " + shell(AGAIN))

    task, third = either.task_after_run(3)
    assert (third.outcome, task.state) == (Outcome.PUSHED, State.SUCCEEDED), third.reason
    either.final_comment(1, third)
    log = either.git("log", "--reverse", "--format=%s", f"origin/main..origin/{task.branch}")
    assert log.splitlines() == ["one", "two", "three"]
    either.git("merge-base", "--is-ancestor", pushed, f"origin/{task.branch}")
    assert len(either.playground.pulls()) == 1
