"""`/resume`, said on threads in each state it may meet."""

import pytest

from bot.errors import NotPossible
from bot.model import Outcome, Phase
from tests.said import HEAD, Say, remove_workspace


def test_a_failed_task_goes_on_on_its_own_branch(say: Say) -> None:
    say("/run tidy it")
    task = say.worked(Outcome.AGENT_FAILED)

    reply = say("/resume and add tests")

    assert reply.startswith(f"Resuming task `{task.id}` on `{task.branch}`: next in line.")


def test_a_push_that_failed_is_said_to_be_only_pushed(say: Say) -> None:
    say("/run tidy it")
    task = say.worked(Outcome.PUSH_REJECTED, Phase.PUSH)

    assert say("/resume").startswith(f"Pushing again what was made by task `{task.id}`")


@pytest.mark.parametrize(
    ("made", "pushed", "start"),
    [
        (HEAD, HEAD, "the pushed branch"),
        (HEAD, "", "the last commits made"),
        ("", "", "where the task began"),
    ],
)
def test_a_removed_workspace_is_said_to_be_gone(say: Say, made: str, pushed: str, start: str) -> None:
    say("/run tidy it")
    task = say.worked(Outcome.AGENT_FAILED, checked_head=made, pushed_head=pushed)
    with say.ledger.write() as tx:
        remove_workspace(tx, task)

    reply = say("/resume")

    assert "Its workspace was removed" in reply
    assert f"it goes on from {start} in a fresh clone" in reply


def test_on_a_thread_with_no_task_it_points_at_run(say: Say) -> None:
    with pytest.raises(NotPossible, match="Start with `/run`"):
        say("/resume")
