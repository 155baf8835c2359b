"""`/run` and the label on a pull request of the same repository."""

from bot.model import Outcome, State
from tests.journeys.world import HOLD, World, eventually, shell

FIX = f"""
test "$FORGEHAND_BASE" = lexer
test "$(git rev-parse HEAD)" = "$(git rev-parse origin/change-$(cat number))"
grep -q hers lexer.py
{HOLD}
echo fixed > fixed.txt
"""


def test_work_begins_at_the_pinned_head_and_is_offered_to_its_branch(full: World) -> None:
    full.start()
    head = full.push("lexer", "lexer.py", "hers")
    change = full.playground.open_pull("Add a lexer", head="lexer")

    full.say(change, "/run " + shell(FIX.replace("$(cat number)", str(change))))

    running = full.until_running()
    pinned = full.says(change, "later pushes to this change are not part of it")
    assert head[:10] in pinned
    eventually(lambda: full.playground.statuses(head))
    later = full.push("lexer", "later.txt", onto="lexer")
    full.let_go(running)
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
    assert states == {head: ["success", "pending"], task.pushed_head: ["success"], later: []}


def test_the_label_on_a_change_is_a_run_there(full: World) -> None:
    full.start()
    head = full.push("lexer", "lexer.py", "hers")
    change = full.playground.open_pull("Add a lexer", head="lexer")

    full.playground.label(change, "forgehand")

    task, run = full.task_after_run(1)
    assert (task.pinned, run.outcome) == (head, Outcome.NO_CHANGES), run.reason  # no body: nothing to do
    full.final_comment(change, run)
    full.settled()
    assert full.playground.labels(change) == []
    assert full.playground.issue_reactions(change) == ["eyes"]
    assert full.playground.statuses(head)[0]["state"] == "success"


def test_a_command_on_a_closed_change_and_a_base_on_an_open_one_are_refused(full: World) -> None:
    full.start()
    full.push("lexer", "lexer.py", "hers")
    change = full.playground.open_pull("Add a lexer", head="lexer")

    full.say(change, "/run --base main tidy it")
    full.says(change, "`--base` is for issues")
    full.playground.ask("PATCH", f"pulls/{change}", {"state": "closed"})
    full.say(change, "/run tidy it")
    full.says(change, "This change is closed.")

    full.settled()
    assert full.tasks() == []
