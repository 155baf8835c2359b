"""An agent that changes nothing, and an agent that leaves its work uncommitted."""

import pytest

from bot.domain.lifecycle import State
from bot.domain.outcomes import Outcome
from tests.journeys.world import World, shell
from tests.support.waiting import eventually

pytestmark = pytest.mark.alike

NOTHING = "git commit -q --allow-empty -m 'I was here'"
LEFT = """
test "$(git status --porcelain)" = ""
echo changed >> README.md
rm anvil/__init__.py
mkdir -p new/folder; echo new > new/folder/file.txt
git add new; echo more >> new/folder/file.txt
"""


def test_a_run_without_changes_is_reported_and_opens_no_pull_request(full: World) -> None:
    full.start()

    full.say(1, "/run " + shell(NOTHING))

    task, run = full.task_after_run(1)
    assert (run.outcome, task.state) == (Outcome.NO_CHANGES, State.SUCCEEDED), run.reason
    final = full.final_comment(1, run)
    assert "**Nothing to change: the agent left the repository as it is**" in final
    assert "`/resume <what to do instead>`" in final
    full.settled()
    assert full.playground.pulls() == []
    assert full.playground.branch_head(task.branch) is None


def test_a_run_without_changes_on_a_pull_request_succeeds_at_its_head(full: World) -> None:
    full.start()
    head = full.push("lexer", "lexer.py")
    change = full.playground.open_pull("Add a lexer", head="lexer")

    full.say(change, "/run " + shell("true"))

    task, run = full.task_after_run(1)
    assert (run.outcome, task.state) == (Outcome.NO_CHANGES, State.SUCCEEDED), run.reason
    assert "Nothing to change" in full.final_comment(change, run)
    full.settled()
    newest = full.playground.statuses(head)[0]
    assert (newest["context"], newest["state"]) == ("forgehand", "success")
    assert newest["description"] == "Nothing to change: the agent left the repository as it is."
    assert f"/tasks/{task.id}" in newest["target_url"]
    assert [pull["number"] for pull in full.playground.pulls()] == [change]


def test_uncommitted_work_is_committed_and_pushed(full: World) -> None:
    full.start()

    full.say(1, "/run " + shell(LEFT))

    task, run = full.task_after_run(1)
    assert (run.outcome, task.state) == (Outcome.PUSHED, State.SUCCEEDED), run.reason
    branch = f"origin/{task.branch}"
    assert full.git("rev-list", "--count", f"origin/main..{branch}") == "1"
    changed = full.git("diff", "--name-status", "--no-renames", "origin/main", branch)
    assert changed.split() == ["M", "README.md", "D", "anvil/__init__.py", "A", "new/folder/file.txt"]
    assert full.git("show", f"{branch}:new/folder/file.txt") == "new\nmore"
    assert full.git("show", f"{branch}:README.md").endswith("changed")
    full.final_comment(1, run)
    assert eventually(full.playground.pulls)[0]["head"]["sha"] == task.pushed_head


REPOSITORIES = "echo more >>README.md; git commit -qam More; git worktree add -q wt/x; git init -q scratch"


def test_repositories_in_the_workspace_stay_behind_and_the_final_comment_names_them(full: World) -> None:
    full.start()

    full.say(1, "/run " + shell(REPOSITORIES))

    task, run = full.task_after_run(1)
    assert run.outcome is Outcome.PUSHED, run.reason
    changed = full.git("diff", "--name-only", "origin/main", f"origin/{task.branch}")
    assert changed == "README.md"
    said = full.final_comment(1, run)
    assert "Not exported, but still in the workspace: `scratch/` (a repository of its own, 0 files), " in said


@pytest.mark.long  # the export has a quick test of the same second
def test_an_edit_in_the_second_of_a_commit_is_pushed_by_a_first_and_by_a_resumed_run(full: World) -> None:
    full.start()
    quick = (
        "now=$(date +%s); while [ $(date +%s) = $now ]; do :; done; "
        "printf {0}.3 >v; git add v; git commit -qm x; printf {0}.4 >v; sleep 2"
    )

    full.say(1, "/run " + shell(quick.format("1.2")))
    task, run = full.task_after_run(1)
    assert run.outcome == Outcome.PUSHED, run.reason
    assert full.git("show", f"origin/{task.branch}:v") == "1.2.4"

    full.say(1, "/resume " + shell(quick.format("1.3")))
    task, run = full.task_after_run(2)
    assert run.outcome == Outcome.PUSHED, run.reason
    assert full.git("show", f"origin/{task.branch}:v") == "1.3.4"
