"""The label, work that waits for approval, and upstream commits made in the meantime."""

import pytest

from bot.domain.lifecycle import Phase, State
from bot.domain.outcomes import Outcome
from bot.playground.state import now
from tests.journeys.world import World, shell
from tests.support.waiting import eventually

pytestmark = pytest.mark.alike

AS_THE_LABEL_SAYS = """
grep -qx 'Do what this thread asks' /task/prompt.md
grep -qx 'Sort the keys' /task/prompt.md
echo sorted > sorted.txt
"""
ADDS_CI = """
echo ran >> "$HOME/times"
mkdir -p .github/workflows; echo 'on: push' > .github/workflows/ci.yml
git add .github; git commit -qm 'add CI'
"""
CI = ".github/workflows/ci.yml"


def test_the_label_requests_the_text_of_the_thread_at_the_time_of_labelling(full: World) -> None:
    full.playground.set_permission("reader", "triage")
    full.start()
    issue = full.playground.open_issue("Sort the keys", shell(AS_THE_LABEL_SAYS))
    full.playground.label(issue, "forgehand", as_="reader")
    full.wait_for_comment(issue, "Only people who may write")
    assert full.playground.labels(issue) == ["forgehand"]
    full.playground.unlabel(issue, "forgehand")
    # The same label on the same thread at the same second is the same request.
    put_on = now()
    eventually(lambda: now() > put_on)

    full.playground.label(issue, "forgehand")
    full.playground.edit_issue(issue, title="Changed", body=shell("exit 9"))

    eventually(lambda: full.playground.labels(issue) == [])
    task, run = full.task_after_run(1)
    assert (run.outcome, task.state) == (Outcome.PUSHED, State.SUCCEEDED), run.reason
    assert run.asked_by.login == "ann"
    assert "Do what this thread asks" in full.final_comment(issue, run)
    assert full.git("show", f"origin/{task.branch}:sorted.txt") == "sorted"
    assert full.playground.issue_reactions(issue) == ["eyes"]
    assert len(full.tasks()) == 1


def test_a_commit_that_adds_a_ci_file_is_pushed_after_approval(full: World) -> None:
    full.start()
    full.say(1, "/run " + shell(ADDS_CI))

    task, first = full.task_after_run(1)

    held = task.checked_head
    assert (first.outcome, task.state) == (Outcome.HELD, State.WAITING), first.reason
    final = full.final_comment(1, first)
    assert f"Commit `{held[:10]}` was not pushed, because it changes:\n\n- `{CI}` (CI runs it" in final
    approve = {"github": "/approve", "gitlab": "/forgehand approve"}[full.playground.forge]
    assert f"`{approve} {held[:12]}`" in final
    full.settled()
    assert full.playground.branch_head(task.branch) is None
    assert full.playground.pulls() == []

    nothing_else_approves(full, approve, held)
    full.say(1, f"{approve} {held[:10]}")

    task, second = full.task_after_run(2)
    assert (second.outcome, task.state) == (Outcome.PUSHED, State.SUCCEEDED), second.reason
    assert full.phases(second) == [Phase.PUSH, Phase.REPORT]
    assert (full.in_workspace(task) / "home" / "times").read_text() == "ran\n"
    assert full.playground.branch_head(task.branch) == held
    full.final_comment(1, second)
    assert [pull["head"]["sha"] for pull in full.playground.pulls()] == [held]

    # one approval covers one commit
    full.say(1, "/resume once more " + shell("echo 'on: pull_request' > " + CI))

    task, third = full.task_after_run(3)
    assert (third.outcome, task.state) == (Outcome.HELD, State.WAITING), third.reason
    assert full.playground.branch_head(task.branch) == held


def nothing_else_approves(full: World, approve: str, held: str) -> None:
    """Check that a reader's approval, another commit's name and a resume without a request do not push it."""
    full.say(1, approve, as_="reader")
    full.wait_for_comment(1, "Only people who may write")
    full.say(1, f"{approve} 0123456789")
    full.wait_for_comment(1, f"Commit `{held}` awaits approval, not the one you named.")
    full.say(1, "/resume")
    full.wait_for_comment(1, f"Commit `{held}` of task")
    assert len(full.runs()) == 1


def test_a_resumed_agent_can_merge_new_upstream_commits(full: World) -> None:
    full.start()
    full.say(1, "/run " + shell("echo one > one.txt"))
    task, first = full.task_after_run(1)
    assert first.outcome is Outcome.PUSHED, first.reason
    upstream = full.push("main", "upstream.txt", "upstream")
    script = f"""
    test "$(git rev-parse origin/$FORGEHAND_BASE)" = {upstream}
    test ! -e upstream.txt
    git merge -q --no-edit origin/main
    """

    full.say(1, "/resume merge it " + shell(script))

    task, second = full.task_after_run(2)
    assert (second.outcome, task.base) == (Outcome.PUSHED, "main"), second.reason
    assert full.git("show", f"origin/{task.branch}:upstream.txt") == "upstream"
    assert full.git("log", "-1", "--format=%H %an", f"origin/{task.branch}^2") == f"{upstream} Ann"
    assert full.git("rev-list", "--count", f"origin/main..origin/{task.branch}") == "2"
