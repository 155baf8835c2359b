"""`/resume`, on threads with tasks in every state."""

import pytest

from bot.domain.errors import NotPossible, NotUnderstood
from bot.domain.lifecycle import Phase
from bot.domain.outcomes import Outcome
from tests.support.commander import HEAD, Say, remove_workspace


def test_a_failed_task_continues_on_its_own_branch(say: Say) -> None:
    say("/run tidy it")
    task = say.worked(Outcome.AGENT_FAILED)

    reply = say("/resume and add tests")

    assert reply.startswith(f"Resuming task `{task.id}` on `{task.branch}`: next in the queue.")


def test_the_reply_names_no_branch_after_a_push_because_its_change_may_have_ended(say: Say) -> None:
    say("/run tidy it")
    task = say.worked(Outcome.AGENT_FAILED, checked_head=HEAD, pushed_head=HEAD)

    assert say("/resume").startswith(f"Resuming task `{task.id}`: next in the queue.")


def test_the_reply_to_a_resume_after_a_failed_push_announces_only_a_push(say: Say) -> None:
    say("/run tidy it")
    task = say.worked(Outcome.PUSH_REJECTED, Phase.PUSH)

    assert say("/resume").startswith(f"Trying again to push the work of task `{task.id}`")


@pytest.mark.parametrize(
    ("made", "pushed", "start"),
    [
        (HEAD, HEAD, "the pushed branch"),
        (HEAD, "", "the task's last commits"),
        ("", "", "the commit that the task started from"),
    ],
)
def test_the_reply_to_a_resume_without_a_workspace_names_the_start_of_the_fresh_clone(
    say: Say, made: str, pushed: str, start: str
) -> None:
    say("/run tidy it")
    task = say.worked(Outcome.AGENT_FAILED, checked_head=made, pushed_head=pushed)
    with say.ledger.write() as tx:
        remove_workspace(tx, task)

    reply = say("/resume")

    assert "Its workspace was removed" in reply
    assert f"The run starts from {start} in a fresh clone" in reply


def test_run_is_suggested_on_a_thread_without_a_task(say: Say) -> None:
    with pytest.raises(NotPossible, match="Start with `/run`"):
        say("/resume")


def test_a_task_can_be_resumed_with_another_agent_or_model(say: Say) -> None:
    say("/run --model opus tidy it")
    assert say.newest()[0].model == "opus"
    say.worked(Outcome.AGENT_FAILED)

    assert "`demo` works on it, with the model `haiku`." in say("/resume --model haiku")
    say.worked(Outcome.AGENT_FAILED)
    assert "`codex` works on it." in say("/resume --agent codex")

    task, run = say.newest()
    assert (task.agent, task.model, run.agent) == ("codex", "", "codex")


def test_an_unknown_agent_is_refused(say: Say) -> None:
    say("/run tidy it")
    say.worked(Outcome.AGENT_FAILED)

    with pytest.raises(NotUnderstood, match="Did you mean `codex`"):
        say("/resume --agent codx")


@pytest.mark.parametrize("name", ["-rf", "a;b", "`x`", "é", "x" * 101])
def test_an_invalid_model_name_is_refused(say: Say, name: str) -> None:
    with pytest.raises(NotUnderstood, match="`--model` "):
        say(f'/run --model "{name}" tidy it')
