"""A push that fails in three ways: nothing is lost, and the work is pushed later without the agent."""

from collections.abc import Callable

import pytest

from bot.domain.lifecycle import Phase, State
from bot.domain.outcomes import Outcome
from bot.domain.task import Task
from tests.journeys.world import HOLD, World, shell
from tests.support.playground_gitlab import AnyPlayground

pytestmark = pytest.mark.alike

WORK = f"""
echo ran >> "$HOME/times"
echo one > one.txt; git add one.txt; git commit -qm one
echo left > left.txt
{HOLD}
"""
MERGE = """
test "$(git show origin/$FORGEHAND_BRANCH:hers.txt)" = hers
git merge -q --no-edit origin/$FORGEHAND_BRANCH
"""


def remove_git(playground: AnyPlayground) -> None:
    playground.remove_git()


def restore_git(playground: AnyPlayground) -> None:
    playground.restore_git()


def protect(playground: AnyPlayground) -> None:
    playground.protect("forgehand/*")


def unprotect(playground: AnyPlayground) -> None:
    playground.unprotect("forgehand/*")


@pytest.mark.parametrize(
    ("breaks", "repairs", "outcome", "said"),
    [
        pytest.param(
            remove_git,
            restore_git,
            Outcome.REMOTE_MISSING,
            "**The remote repository does not exist**",
            id="missing-remote",
        ),
        pytest.param(
            protect, unprotect, Outcome.PUSH_REJECTED, "protected branch hook declined", id="protected"
        ),
    ],
)
def test_a_resume_after_a_failed_push_only_pushes_again(
    full: World,
    breaks: Callable[[AnyPlayground], None],
    repairs: Callable[[AnyPlayground], None],
    outcome: Outcome,
    said: str,
) -> None:
    full.start()
    full.say(1, "/run " + shell(WORK))
    running = full.until_running()
    breaks(full.playground)
    full.let_continue(running)

    task, first = full.task_after_run(1)

    assert (first.outcome, task.state) == (outcome, State.FAILED), first.reason
    final = full.final_comment(1, first)
    assert said in final
    assert "`/resume`" in final
    check_all_work(full, task)

    made = task.checked_head
    repairs(full.playground)
    assert full.playground.branch_head(task.branch) is None
    assert full.playground.pulls() == []
    full.say(1, "/resume")

    task, second = full.task_after_run(2)
    assert (second.outcome, task.state) == (Outcome.PUSHED, State.SUCCEEDED), second.reason
    assert full.phases(second) == [Phase.PUSH, Phase.REPORT]
    assert not second.agent_started
    assert (full.in_workspace(task) / "home" / "times").read_text() == "ran\n"
    assert task.pushed_head == full.playground.branch_head(task.branch) == made
    full.final_comment(1, second)
    assert full.playground.pulls()[0]["head"]["sha"] == made


def check_all_work(full: World, task: Task) -> None:
    """Check that the quarantine has commits and uncommitted files, and that the workspace has all of it."""
    assert full.quarantine(task, "show", f"{task.checked_head}:left.txt") == "left"
    assert full.quarantine(task, "show", f"{task.checked_head}~1:one.txt") == "one"
    assert (full.in_workspace(task) / "repo" / "left.txt").exists()


@pytest.mark.long  # as with new upstream commits, in test_label_approval_upstream.py
def test_the_agent_can_merge_commits_that_others_pushed_to_its_branch(full: World) -> None:
    full.start()
    full.say(1, "/run " + shell("echo one > one.txt"))
    task, first = full.task_after_run(1)
    assert first.outcome is Outcome.PUSHED, first.reason
    full.say(1, "/resume more " + shell(f"echo two > two.txt; git add two.txt; git commit -qm two; {HOLD}"))
    running = full.until_running(2)
    hers = full.push(task.branch, "hers.txt", "hers", onto=task.branch)
    full.let_continue(running)

    task, second = full.task_after_run(2)

    assert (second.outcome, task.state) == (Outcome.PUSH_REJECTED, State.FAILED), second.reason
    final = full.final_comment(1, second)
    assert "Somebody else pushed" in final
    assert "`/resume merge the pushed commits`" in final
    assert full.playground.branch_head(task.branch) == hers
    assert full.quarantine(task, "show", f"{task.checked_head}:two.txt") == "two"
    assert full.quarantine(task, "show", f"{hers}:hers.txt") == "hers"  # read through the mirror's objects

    full.say(1, "/resume merge the pushed commits " + shell(MERGE))

    task, third = full.task_after_run(3)
    assert (third.outcome, task.state) == (Outcome.PUSHED, State.SUCCEEDED), third.reason
    log = full.git("log", "--format=%s|%an", f"origin/main..origin/{task.branch}").splitlines()
    assert sorted(log[1:]) == ["Write hers.txt|Ann", "do this|Forgehand", "two|Forgehand"]
    full.git("merge-base", "--is-ancestor", hers, f"origin/{task.branch}")
