"""`/run` and the label on a pull request from the same repository."""

import pytest

from bot.domain.lifecycle import State
from bot.domain.outcomes import Outcome
from tests.journeys.world import HOLD, World, shell
from tests.support.waiting import eventually

pytestmark = pytest.mark.alike

FIX = f"""
test "$FORGEHAND_BASE" = lexer
test "$(git rev-parse HEAD)" = "$(git rev-parse origin/change-$(cat number))"
grep -q hers lexer.py
{HOLD}
echo fixed > fixed.txt
"""


def test_a_run_starts_at_the_pinned_head_and_opens_a_change_for_the_branch(full: World) -> None:
    full.start()
    head = full.push("lexer", "lexer.py", "hers")
    change = full.playground.open_pull("Add a lexer", head="lexer")

    full.say(change, "/run " + shell(FIX.replace("$(cat number)", str(change))))

    running = full.until_running()
    pinned = full.wait_for_comment(change, "later pushes to this change are not part of it")
    assert head[:10] in pinned
    eventually(lambda: full.playground.statuses(head))
    later = full.push("lexer", "later.txt", onto="lexer")
    full.let_continue(running)
    task, run = full.task_after_run(1)
    assert (run.outcome, task.state) == (Outcome.PUSHED, State.SUCCEEDED), run.reason
    assert (task.base, task.base_head) == ("lexer", head)
    full.final_comment(change, run)
    full.settled()
    assert full.git("rev-list", f"{head}..origin/{task.branch}") == task.pushed_head
    pull = full.playground.pulls()[0]
    assert (pull["head"]["ref"], pull["base"]["ref"]) == (task.branch, "lexer")
    assert full.playground.branch_head("lexer") == later
    states = {
        sha: [each["state"] for each in full.playground.statuses(sha)]
        for sha in (head, task.pushed_head, later)
    }
    first, *before = states.pop(head)  # newest first: queued, then one for each step
    assert (first, set(before)) == ("success", {"pending"})
    assert states == {task.pushed_head: ["success"], later: []}


def test_the_label_on_a_change_starts_a_run_on_that_change(full: World) -> None:
    full.start()
    head = full.push("lexer", "lexer.py", "hers")
    change = full.playground.open_pull("Add a lexer", head="lexer")

    full.playground.label(change, "forgehand")

    task, run = full.task_after_run(1)
    # the change has no body, so there is no request
    assert (task.pinned, run.outcome) == (head, Outcome.NO_CHANGES), run.reason
    full.final_comment(change, run)
    full.settled()
    assert full.playground.labels(change) == []
    assert full.playground.issue_reactions(change) == ["eyes"]
    assert full.playground.statuses(head)[0]["state"] == "success"


HERE = f"""
test "$FORGEHAND_BRANCH" = lexer
{HOLD}
echo fixed > fixed.txt
"""


def test_the_option_here_pushes_to_the_branch_of_the_change_after_a_merge_of_its_new_commits(
    embedded: World,
) -> None:
    embedded.start()
    playground = embedded.playground
    head = embedded.push("lexer", "lexer.py", "hers")
    change = playground.open_pull("Add a lexer", head="lexer")

    embedded.say(change, "/run --here " + shell(HERE))
    running = embedded.until_running()
    later = embedded.push("lexer", "later.txt", onto="lexer")
    embedded.let_continue(running)
    task, run = embedded.task_after_run(1)
    assert (run.outcome, task.base_head, task.pushed_head) == (Outcome.PUSH_REJECTED, head, "")
    assert "`/resume merge the pushed commits`" in embedded.final_comment(change, run)
    assert playground.branch_head("lexer") == later

    embedded.say(change, "/resume " + shell("git merge -q --no-edit origin/lexer"))

    task, run = embedded.task_after_run(2)
    assert (run.outcome, task.branch) == (Outcome.PUSHED, "lexer"), run.reason
    final = embedded.final_comment(change, run)
    assert "/tree/lexer)" in final
    embedded.settled()
    assert playground.branch_head("lexer") == task.pushed_head
    assert embedded.git("log", "--format=%s", "--no-merges", f"{head}..origin/lexer").count("\n") == 1
    assert [pull["number"] for pull in playground.pulls()] == [change]
    states = [playground.statuses(sha)[0]["state"] for sha in (head, task.pushed_head)]
    assert states == ["success", "success"]


def test_the_option_here_does_not_bypass_branch_protection(embedded: World) -> None:
    embedded.start()
    head = embedded.push("lexer", "lexer.py", "hers")
    change = embedded.playground.open_pull("Add a lexer", head="lexer")
    embedded.playground.protect("lexer")

    embedded.say(change, "/run --here " + shell("echo fixed > fixed.txt"))

    task, run = embedded.task_after_run(1)
    assert run.outcome is Outcome.PUSH_REJECTED
    assert "protected branch hook declined" in embedded.final_comment(change, run)
    assert embedded.playground.branch_head("lexer") == head
    embedded.playground.unprotect("lexer")
    embedded.say(change, "/resume")
    task, run = embedded.task_after_run(2)
    assert run.outcome is Outcome.PUSHED, run.reason
    assert embedded.playground.branch_head("lexer") == task.pushed_head


def test_the_option_here_is_refused_if_the_branch_of_the_change_is_the_default_branch(
    embedded: World,
) -> None:
    embedded.start()
    embedded.push("release", "release.txt")
    embedded.push("main", "main.txt")
    change = embedded.playground.open_pull("Release", head="main", base="release")

    embedded.say(change, "/run --here tidy it")

    embedded.wait_for_comment(change, "default branch, to which I never push")
    assert embedded.tasks() == []


def test_a_command_on_a_closed_change_and_the_option_base_on_an_open_change_are_refused(full: World) -> None:
    full.start()
    full.push("lexer", "lexer.py", "hers")
    change = full.playground.open_pull("Add a lexer", head="lexer")

    full.say(change, "/run --base main tidy it")
    full.wait_for_comment(change, "`--base` is for issues")
    full.playground.close_issue(change)
    full.say(change, "/run tidy it")
    full.wait_for_comment(change, "This change is closed or merged.")

    full.settled()
    assert full.tasks() == []


def test_instruction_files_are_not_modified_on_a_change_and_the_comment_explains_it(embedded: World) -> None:
    embedded.start()
    embedded.push("lexer", "CLAUDE.md", "hers")
    change = embedded.playground.open_pull("Add a lexer", head="lexer")

    embedded.say(change, "/run --here " + shell("test ! -e CLAUDE.md; echo mine > CLAUDE.md"))

    _, run = embedded.task_after_run(1)
    assert run.outcome is Outcome.NO_CHANGES, run.reason
    assert "can be changed by people only" in embedded.final_comment(change, run)
