"""`/resume` after the task's change was merged or closed: the work goes to a new branch and a new change."""

import pytest

from bot.domain.outcomes import Outcome
from bot.domain.task import Run, Task
from tests.journeys.world import World, shell

pytestmark = pytest.mark.alike


def merged_change(world: World, script: str) -> tuple[Task, Run]:
    """Let the bot open a change that is ready, and merge it with a merge commit."""
    world.start()
    world.say(1, "/run --pr ready " + shell(script))
    task, first = world.task_after_run(1)
    assert first.outcome is Outcome.PUSHED, first.reason
    world.final_comment(1, first)
    [pull] = world.playground.pulls()
    world.playground.merge(pull["number"])
    return task, first


def test_after_a_merge_a_resumed_task_works_on_a_new_branch_and_opens_a_new_change(embedded: World) -> None:
    task, _ = merged_change(embedded, "echo one > one.txt; git add .; git commit -qm one")
    [old] = embedded.playground.pulls()
    main = embedded.push("main", "hers.txt", "hers")

    embedded.say(1, "/resume " + shell('cp hers.txt two.txt; cat /task/prompt.md > "$HOME/prompt"'))

    after, second = embedded.task_after_run(2)
    assert second.outcome is Outcome.PUSHED, second.reason
    assert after.branch == f"{task.branch}-2"
    final = embedded.final_comment(1, second)
    embedded.settled()
    new = embedded.playground.pulls()[0]
    assert (new["head"]["ref"], new["base"]["ref"], new["state"]) == (after.branch, "main", "open")
    assert f"The change is [{embedded.mark}{new['number']}]" in final
    moved = f"The work continues on the new branch `{after.branch}`"
    words = f"Change {embedded.mark}{old['number']} was merged. {moved}"
    assert words in final
    assert words in (embedded.in_workspace(task) / "home" / "prompt").read_text()
    assert embedded.git("log", "--format=%H", f"{main}..origin/{after.branch}") == after.pushed_head
    assert embedded.git("show", "--format=", "--name-only", after.pushed_head).split() == ["two.txt"]
    assert embedded.playground.branch_head(task.branch) == task.pushed_head
