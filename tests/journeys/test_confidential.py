"""Text that only members may read is answered only there and appears nowhere else.

Only GitLab has such threads.
"""

import pytest

from bot.domain.outcomes import Outcome
from tests.journeys.world import World, shell
from tests.support.playground_gitlab import GitLabPlayground
from tests.support.waiting import eventually


@pytest.fixture
def forge() -> str:
    return "gitlab"


def test_a_confidential_issue_is_answered_on_its_thread_and_named_nowhere_else(full: World) -> None:
    assert isinstance(full.playground, GitLabPlayground)
    full.start()
    issue = full.playground.open_issue("The secret hole", shell("echo one > one.txt"), confidential=True)

    full.say(issue, "/run close the secret hole " + shell("echo one > one.txt"))

    task, run = full.task_after_run(1, on=issue)
    assert run.outcome is Outcome.PUSHED, run.reason
    assert "secret hole" in full.final_comment(issue, run)
    full.settled()
    assert task.branch == f"forgehand/{issue}-{task.id}"
    assert full.playground.branch_head(task.branch) == task.pushed_head
    assert "secret" not in full.git("log", "-1", "--format=%B", f"origin/{task.branch}")
    assert full.playground.pulls() == []

    full.say(issue, "/run --pr draft close the secret hole " + shell("echo two > two.txt"))

    eventually(lambda: len(full.tasks(issue)) == 2)
    full.task_after_run(1, on=issue)
    [pull] = eventually(full.playground.pulls)
    assert "secret" not in pull["title"] + pull["body"]


@pytest.mark.long
def test_an_internal_note_is_answered_only_in_internal_notes(full: World) -> None:
    assert isinstance(full.playground, GitLabPlayground)
    playground = full.playground
    full.start()

    asked = playground.comment(1, "/run quietly " + shell("exit 3"), internal=True)

    task, run = full.task_after_run(1)
    full.final_comment(1, run)
    eventually(lambda: playground.reactions(asked) == ["eyes"])
    full.say(1, "/resume")  # a public comment that resumes an internal request
    _, second = full.task_after_run(2)
    full.final_comment(1, second)
    full.settled()
    mine = [note for note in playground.comments(1) if note["user"]["login"] == playground.bot_name]
    replies = [note for note in mine if task.id in note["body"]]
    assert len(replies) >= 4
    assert {note["internal"] for note in replies} == {True}
    assert playground.pulls() == []
