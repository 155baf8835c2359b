"""`/resume` after the task's change was merged or closed: the work goes to a new branch and a new change."""

import pytest

from bot.domain.outcomes import Outcome
from bot.domain.task import Run, Task
from tests.journeys.world import HOLD, World, shell
from tests.support.playground_clones import git
from tests.support.waiting import eventually

pytestmark = pytest.mark.alike

ONE = "echo one > one.txt; git add .; git commit -qm one"


def pushed(world: World, script: str = ONE, options: str = "--pr ready ") -> tuple[Task, int]:
    """Let the bot push work and open a change; return the task and the change's number."""
    world.start()
    world.say(1, f"/run {options}" + shell(script))
    task, first = world.task_after_run(1)
    assert first.outcome is Outcome.PUSHED, first.reason
    world.final_comment(1, first)
    return task, world.playground.pulls()[0]["number"]


def squash(world: World, change: int, **files: str) -> str:
    """Push commits of Ann's that write these files to the default branch, and close the change."""
    for name, content in files.items():
        head = world.push("main", f"{name}.txt", content)
    world.playground.close_issue(change)
    return head


def failed(world: World, script: str) -> Run:
    """Resume the task with an agent that fails after this script."""
    number = len(world.runs()) + 1
    world.say(1, "/resume " + shell(f"{script}; exit 3"))
    _, run = world.task_after_run(number)
    assert run.outcome is Outcome.AGENT_FAILED, run.reason
    return run


def resumed(world: World, script: str) -> tuple[Task, Run]:
    number = len(world.runs()) + 1
    world.say(1, "/resume " + shell(script))
    return world.task_after_run(number)


def delete_branch(world: World, name: str) -> None:
    world.git("fetch", "-q")  # makes the clone
    token, clone = world.playground.tokens["ann"], world.folder / "look"
    git("push", world.playground.clone_url, f":refs/heads/{name}", token=token, cwd=clone)
    assert world.playground.branch_head(name) is None


def files_of(world: World, commit: str) -> list[str]:
    """Return the changes of a commit since its parent."""
    return world.git("show", "--format=", "--name-status", "--no-renames", commit).split()


def test_after_a_merge_a_resumed_task_works_on_a_new_branch_and_opens_a_new_change(embedded: World) -> None:
    task, old = pushed(embedded)
    embedded.playground.merge(old)
    main = embedded.push("main", "hers.txt", "hers")

    after, second = resumed(embedded, 'cp hers.txt two.txt; cat /task/prompt.md > "$HOME/prompt"')

    assert second.outcome is Outcome.PUSHED, second.reason
    assert after.branch == f"{task.branch}-2"
    final = embedded.final_comment(1, second)
    embedded.settled()
    new = embedded.playground.pulls()[0]
    assert (new["head"]["ref"], new["base"]["ref"], new["state"]) == (after.branch, "main", "open")
    assert f"[{embedded.mark}{new['number']}](" in final
    moved = f"The work continues on the new branch `{after.branch}`"
    words = f"Change {embedded.mark}{old} was merged. {moved}"
    assert words in final
    assert words in (embedded.in_workspace(task) / "home" / "prompt").read_text()
    assert embedded.git("log", "--format=%H", f"{main}..origin/{after.branch}") == after.pushed_head
    assert files_of(embedded, after.pushed_head) == ["A", "two.txt"]
    assert embedded.playground.branch_head(task.branch) == task.pushed_head
    # The new change is open: later runs push to its branch.
    third, run = resumed(embedded, "echo three > three.txt")
    assert (run.outcome, third.branch) == (Outcome.PUSHED, after.branch), run.reason
    embedded.settled()
    assert len(embedded.playground.pulls()) == 2


@pytest.mark.long
def test_after_a_squash_the_unpushed_commits_are_one_commit_on_the_target(embedded: World) -> None:
    task, old = pushed(embedded)
    failed(embedded, "echo two > two.txt; git add .; git commit -qm two; echo half > half.txt")
    main = squash(embedded, old, one="one", hers="hers")

    after, run = resumed(embedded, "test -e two.txt; test -e hers.txt; echo three > three.txt")

    assert (run.outcome, after.branch) == (Outcome.PUSHED, f"{task.branch}-2"), run.reason
    log = embedded.git("log", "--format=%H", f"{main}..origin/{after.branch}").split()
    assert [files_of(embedded, each) for each in log] == [
        ["A", "half.txt", "A", "three.txt"],
        ["A", "two.txt"],
    ]
    assert embedded.git("log", "-1", "--format=%an", log[1]) != "agent"
    assert f"The old branch ended at `{task.pushed_head[:10]}`." in embedded.final_comment(1, run)


def test_the_commits_of_a_closed_change_are_left_behind(embedded: World) -> None:
    task, old = pushed(embedded)
    embedded.playground.close_issue(old)

    after, run = resumed(embedded, "test ! -e one.txt; echo two > two.txt")

    assert (run.outcome, after.branch) == (Outcome.PUSHED, f"{task.branch}-2"), run.reason
    assert files_of(embedded, after.pushed_head) == ["A", "two.txt"]
    final = embedded.final_comment(1, run)
    assert "was closed without a merge, and its commits are not moved." in final
    assert embedded.git("rev-parse", f"{after.pushed_head}~") == embedded.playground.branch_head("main")


def test_work_that_conflicts_is_merged_by_the_agent_and_becomes_one_commit(embedded: World) -> None:
    task, old = pushed(embedded)
    failed(embedded, "echo mine > one.txt; git commit -qam mine")
    main = squash(embedded, old, one="hers")

    after, refused = resumed(embedded, 'cat /task/prompt.md > "$HOME/prompt"; echo two > two.txt')

    assert (refused.outcome, after.branch) == (Outcome.EXPORT_REFUSED, f"{task.branch}-2"), refused.reason
    assert f"does not contain commit `{main[:10]}`" in refused.reason
    assert "`/resume merge main`" in embedded.final_comment(1, refused)
    assert "run `git merge origin/main`" in (embedded.in_workspace(task) / "home" / "prompt").read_text()
    assert embedded.playground.branch_head(after.branch) is None
    main = embedded.push("main", "later.txt", "later")
    merge = "git merge -q -s ours origin/main; git checkout -q origin/main later.txt"
    after, run = resumed(embedded, f"git add .; git commit -qm two; {merge}; echo both > one.txt")

    assert run.outcome is Outcome.PUSHED, run.reason
    assert after.left_head == ""
    assert f"Change {embedded.mark}{old} was closed" in embedded.final_comment(1, run)
    assert embedded.git("rev-parse", f"{after.pushed_head}~") == main
    assert files_of(embedded, after.pushed_head) == ["M", "one.txt", "A", "two.txt"]
    after, run = resumed(embedded, "echo four > four.txt")
    assert files_of(embedded, after.pushed_head) == ["A", "four.txt"]


def test_a_change_that_ends_during_a_run_gets_no_push(embedded: World) -> None:
    task, old = pushed(embedded)
    embedded.say(1, "/resume " + shell(f"{HOLD}; echo two > two.txt"))
    running = embedded.until_running(2)
    embedded.playground.merge(old)
    embedded.let_continue(running)

    _, second = embedded.task_after_run(2)

    assert second.outcome is Outcome.CHANGE_ENDED
    assert f"Change {embedded.mark}{old} was merged before this push" in second.reason
    assert "`/resume`" in embedded.final_comment(1, second)
    assert embedded.playground.branch_head(task.branch) == task.pushed_head
    embedded.say(1, "/resume")
    embedded.let_continue(embedded.until_running(3))
    after, third = embedded.task_after_run(3)
    assert (third.outcome, after.branch) == (Outcome.PUSHED, f"{task.branch}-2"), third.reason
    assert files_of(embedded, after.pushed_head) == ["A", "two.txt"]


@pytest.mark.long
def test_a_task_that_pushed_to_a_change_of_a_person_leaves_that_branch_after_the_merge(
    embedded: World,
) -> None:
    embedded.start()
    embedded.push("lexer", "lexer.py", "hers")
    change = embedded.playground.open_pull("Add a lexer", head="lexer")
    embedded.say(change, "/run --here " + shell("echo one > one.txt"))
    task, first = embedded.task_after_run(1, on=change)
    assert first.outcome is Outcome.PUSHED, first.reason
    eventually(lambda: embedded.playground.pulls()[0]["head"]["sha"] == task.pushed_head)
    embedded.playground.merge(change)

    embedded.say(change, "/resume " + shell("echo two > two.txt"))

    after, second = embedded.task_after_run(2, on=change)
    assert second.outcome is Outcome.PUSHED, second.reason
    assert (after.base, after.branch.startswith("forgehand/")) == ("main", True)
    assert embedded.playground.branch_head("lexer") == task.pushed_head
    assert files_of(embedded, after.pushed_head) == ["A", "two.txt"]
    assert "[Open a change from it]" in embedded.final_comment(change, second)


@pytest.mark.long
def test_a_second_end_leads_to_the_next_number_even_if_the_branches_are_deleted(embedded: World) -> None:
    task, old = pushed(embedded)
    embedded.playground.merge(old)
    delete_branch(embedded, task.branch)
    second, run = resumed(embedded, "echo two > two.txt")
    assert run.outcome is Outcome.PUSHED, run.reason
    embedded.settled()
    embedded.playground.close_issue(embedded.playground.pulls()[0]["number"])

    third, run = resumed(embedded, "echo three > three.txt")

    assert [second.branch, third.branch] == [f"{task.branch}-2", f"{task.branch}-3"]
    assert run.outcome is Outcome.PUSHED, run.reason


@pytest.mark.long
def test_protected_paths_are_judged_from_the_target(embedded: World) -> None:
    task, old = pushed(embedded)
    failed(
        embedded,
        "mkdir -p .github/workflows; echo on: push > .github/workflows/ci.yml; git add .; git commit -qm ci",
    )
    squash(embedded, old, one="one")

    after, run = resumed(embedded, "echo two > two.txt")

    assert (run.outcome, after.branch) == (Outcome.HELD, f"{task.branch}-2"), run.reason
    assert ".github/workflows/ci.yml" in run.reason


@pytest.mark.long
def test_an_approval_after_the_end_of_the_change_pushes_nothing(embedded: World) -> None:
    task, old = pushed(embedded)
    held, run = resumed(embedded, "mkdir -p .github/workflows; echo on: push > .github/workflows/ci.yml")
    assert run.outcome is Outcome.HELD, run.reason
    embedded.playground.close_issue(old)

    embedded.say(1, f"/forgehand approve {held.checked_head}")

    _, approval = embedded.task_after_run(3)
    assert approval.outcome is Outcome.CHANGE_ENDED, approval.reason
    assert f"Change {embedded.mark}{old} was closed before this push" in approval.reason
    assert embedded.playground.branch_head(task.branch) == task.pushed_head


@pytest.mark.long
def test_a_change_that_a_person_opened_from_the_branch_counts(embedded: World) -> None:
    embedded.start()
    embedded.say(1, "/run --pr link " + shell(ONE))
    task, first = embedded.task_after_run(1)
    assert first.outcome is Outcome.PUSHED, first.reason
    embedded.settled()
    hers = embedded.playground.open_pull("Hers", head=task.branch)
    embedded.playground.merge(hers)

    after, run = resumed(embedded, "echo two > two.txt")

    assert (run.outcome, after.branch) == (Outcome.PUSHED, f"{task.branch}-2"), run.reason
    assert "[Open a change from it]" in embedded.final_comment(1, run)


@pytest.mark.long
def test_a_branch_with_an_open_change_beside_a_closed_one_is_used_further(embedded: World) -> None:
    task, old = pushed(embedded)
    embedded.playground.close_issue(old)
    embedded.playground.open_pull("Hers", head=task.branch)

    after, run = resumed(embedded, "echo two > two.txt")

    assert (run.outcome, after.branch) == (Outcome.PUSHED, task.branch), run.reason
    assert embedded.playground.branch_head(task.branch) == after.pushed_head


@pytest.mark.long
def test_if_the_target_branch_is_gone_the_work_goes_to_the_target_of_its_change(embedded: World) -> None:
    embedded.start()
    embedded.push("release", "release.txt")
    embedded.push("lexer", "lexer.py", "hers", onto="release")
    change = embedded.playground.open_pull("Add a lexer", head="lexer", base="release")
    embedded.say(change, "/run --pr ready " + shell("echo one > one.txt"))
    task, first = embedded.task_after_run(1, on=change)
    assert (first.outcome, task.base) == (Outcome.PUSHED, "lexer"), first.reason
    embedded.final_comment(change, first)
    [ours] = [pull["number"] for pull in embedded.playground.pulls() if pull["head"]["ref"] == task.branch]
    embedded.playground.merge(ours)
    embedded.playground.merge(change)
    delete_branch(embedded, "lexer")

    embedded.say(change, "/resume " + shell("test -e one.txt; echo two > two.txt"))

    after, second = embedded.task_after_run(2, on=change)
    assert second.outcome is Outcome.PUSHED, second.reason
    assert (after.base, after.branch) == ("release", f"{task.branch}-2")
    assert files_of(embedded, after.pushed_head) == ["A", "two.txt"]
