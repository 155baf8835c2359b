"""The approval of a commit that awaits it, and of nothing else."""

from dataclasses import replace

import pytest

from bot.domain.errors import NotPossible, NotUnderstood
from bot.domain.lifecycle import Phase
from bot.domain.outcomes import Outcome
from tests.support.commander import ISSUE, Say
from tests.tasks.verb_calls import HELD, WORKED


@pytest.mark.parametrize("text", ["", "abc1234", HELD, f"`{HELD}`", "ABC1234", "abc1234 looks good"])
def test_approve_queues_a_push_of_the_commit_that_awaits_approval(say: Say, text: str) -> None:
    say("/run tidy")
    say.worked(Outcome.HELD, *WORKED, checked_head=HELD)

    say(f"/approve {text}")

    task, run = say.newest()
    assert (task.state, task.approved_head) == ("queued", HELD)
    assert (run.number, run.first_phase, run.request, run.host) == (2, Phase.PUSH, "tidy", "h1")


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("abc1235", NotPossible),
        ("abc123", NotUnderstood),
        ("looks good", NotUnderstood),
        (HELD + "5", NotPossible),
    ],
)
def test_approve_of_another_commit_approves_nothing(say: Say, text: str, error: type[Exception]) -> None:
    say("/run tidy")
    say.worked(Outcome.HELD, *WORKED, checked_head=HELD)

    with pytest.raises(error):
        say(f"/approve {text}")

    task, run = say.newest()
    assert (task.state, task.approved_head, run.number) == ("waiting", "", 1)


def test_the_long_form_of_approve_is_suggested_on_gitlab(say: Say) -> None:
    on_gitlab = replace(ISSUE, forge="gitlab")
    say("/run tidy", thread=on_gitlab)
    say.worked(Outcome.HELD, *WORKED, thread=on_gitlab, checked_head=HELD)

    with pytest.raises(NotUnderstood, match=f"`/forgehand approve {HELD[:12]}`"):
        say("/approve abc", thread=on_gitlab)
    with pytest.raises(NotPossible, match="`/forgehand approve` pushes it"):
        say("/resume", thread=on_gitlab)


@pytest.mark.parametrize("outcome", [Outcome.QUESTION, Outcome.PUSHED, Outcome.PUSH_REJECTED])
def test_approve_is_refused_if_nothing_awaits_approval(say: Say, outcome: Outcome) -> None:
    say("/run tidy")
    task = say.worked(outcome, *WORKED, checked_head=HELD)

    with pytest.raises(NotPossible, match="awaits approval"):
        say("/approve")
    with pytest.raises(NotPossible, match=f"Task `{task.id}` is {task.state}"):
        say(f"/approve --task {task.id}")

    assert say.newest()[0].approved_head == ""


def test_a_cancelled_approval_is_resumed_as_a_push(say: Say) -> None:
    say("/run tidy")
    say.worked(Outcome.HELD, *WORKED, checked_head=HELD)
    say("/approve")
    say("/cancel")

    say("/resume")

    assert say.newest()[1].first_phase is Phase.PUSH
