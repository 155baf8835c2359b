"""`/resume` after the workspace was removed, and `/resume` of a task that is not the newest."""

import pytest

from bot.domain.lifecycle import State
from bot.domain.outcomes import Outcome
from tests.journeys.world import World, shell
from tests.support.waiting import eventually

pytestmark = pytest.mark.alike

FIRST = 'echo one > one.txt; git add one.txt; git commit -qm one; echo mine > "$HOME/memory"'
IN_A_FRESH_CLONE = """
test ! -e "$HOME/memory"
test ! -e untracked.txt
test "$(cat one.txt)" = one
test -z "$(git status --porcelain)"
grep -q 'fresh clone' /task/prompt.md
echo two > two.txt
"""


def test_a_removed_workspace_is_reported_and_resume_starts_from_the_branch(full: World) -> None:
    full.start()
    full.say(1, "/run " + shell(FIRST))
    task, first = full.task_after_run(1)
    assert first.outcome is Outcome.PUSHED, first.reason
    full.forgehand("workspaces", "rm", "--yes", task.id)
    assert not full.in_workspace(task).exists()
    full.say(1, "/status")
    full.wait_for_comment(1, "Its workspace was removed.")

    full.say(1, "/resume add two " + shell(IN_A_FRESH_CLONE))

    task, second = full.task_after_run(2)
    assert (second.outcome, task.state) == (Outcome.PUSHED, State.SUCCEEDED), second.reason
    final = full.final_comment(1, second)
    assert "The workspace of the previous run was removed" in final
    assert "fresh clone" in final
    log = full.git("log", "--format=%s", f"origin/main..origin/{task.branch}").splitlines()
    assert log == ["add two do this", "one"]
    assert "was removed" not in full.final_comment(1, first)


@pytest.mark.long  # tests/tasks has quick tests of ids
def test_an_older_task_of_the_thread_is_resumed_by_its_id(full: World) -> None:
    full.start()
    full.say(1, "/run " + shell(FIRST))
    older, _ = full.task_after_run(1)
    full.say(1, "/run " + shell("echo newer > newer.txt"))
    newer = eventually(lambda: full.tasks()[:-1])[0]
    full.task_after_run(1)
    full.say(1, "/resume --task nosuch go on")
    full.wait_for_comment(1, "There is no task `nosuch` on this thread.")

    full.say(1, f"/resume --task {older.id} go on " + shell('test -e "$HOME/memory"; echo two > two.txt'))

    second = eventually(lambda: [run for run in full.runs(older)[1:] if run.ended_at])[0]
    assert second.outcome is Outcome.PUSHED, second.reason
    assert full.git("show", f"origin/{older.branch}:two.txt") == "two"
    assert len(full.runs(newer)) == 1
    assert f"`/resume --task {older.id} <what to do next>`" in full.final_comment(1, second)
    full.say(1, "/status")
    status = full.wait_for_comment(1, f"**Task `{newer.id}`**, run 1: Pushed.")
    assert f"**Task `{older.id}`**, run 2: Pushed." in status
    assert f"`/resume --task {older.id} <what to do next>`" in status
