"""States and outcomes: the permitted changes of state, and the end of each run."""

from itertools import product

import pytest

from bot.domain.errors import NotPossible
from bot.domain.lifecycle import ENDED, NEXT, State, require_transition
from bot.domain.outcomes import ENDINGS, Outcome
from bot.domain.task import new_task_id
from bot.domain.thread import Kind, Thread

# A second copy on purpose: from the promise to users, not from the code.
FOLLOWS = {
    (State.QUEUED, State.RUNNING),
    (State.QUEUED, State.CANCELLED),
    (State.RUNNING, State.SUCCEEDED),
    (State.RUNNING, State.FAILED),
    (State.RUNNING, State.CANCELLED),
    (State.RUNNING, State.WAITING),
    (State.SUCCEEDED, State.QUEUED),
    (State.FAILED, State.QUEUED),
    (State.CANCELLED, State.QUEUED),
    (State.WAITING, State.QUEUED),
}


@pytest.mark.parametrize(("state", "wanted"), sorted(FOLLOWS))
def test_a_permitted_change_of_state_is_accepted(state: State, wanted: State) -> None:
    require_transition("t1", state, wanted)


@pytest.mark.parametrize(("state", "wanted"), sorted(set(product(State, State)) - FOLLOWS))
def test_any_other_change_of_state_is_refused(state: State, wanted: State) -> None:
    with pytest.raises(NotPossible, match=f"Task t1 is {state}; it cannot become {wanted}"):
        require_transition("t1", state, wanted)


def test_the_table_has_a_row_for_every_state() -> None:
    assert set(NEXT) == set(State)
    assert set(State) - ENDED == {State.QUEUED, State.RUNNING}


@pytest.mark.parametrize("outcome", Outcome)
def test_every_outcome_has_a_reachable_state_and_its_own_sentence(outcome: Outcome) -> None:
    ending = ENDINGS[outcome]

    assert ending.state in NEXT[State.RUNNING]
    assert ending.sentence.endswith(".")
    assert [other for other, each in ENDINGS.items() if each.sentence == ending.sentence] == [outcome]
    assert ending.next.startswith(("/resume", "/approve"))
    assert ending.also in ("", "/diff", "/retry", "/resume <what to do instead>")
    assert ending.mark


def test_only_a_push_or_nothing_to_push_is_a_success() -> None:
    succeeded = {outcome for outcome, ending in ENDINGS.items() if ending.state is State.SUCCEEDED}

    assert succeeded == {Outcome.PUSHED, Outcome.NO_CHANGES}


def test_only_a_question_and_a_change_awaiting_approval_wait_for_a_person() -> None:
    waiting = {outcome for outcome, ending in ENDINGS.items() if ending.state is State.WAITING}

    assert waiting == {Outcome.QUESTION, Outcome.HELD}


def test_only_the_outcome_cancelled_ends_in_the_state_cancelled() -> None:
    cancelled = {outcome for outcome, ending in ENDINGS.items() if ending.state is State.CANCELLED}

    assert cancelled == {Outcome.CANCELLED}


def test_a_threads_key_survives_a_rename_and_distinguishes_issues_from_changes() -> None:
    def key(path: str, kind: Kind) -> str:
        url = f"https://github.com/{path}"
        return Thread(
            forge="github", repository_id=1, repository_url=url, path=path, kind=kind, number=12
        ).key

    assert key("acme/anvil", Kind.ISSUE) == key("acme/hammer", Kind.ISSUE) == "github:1:issue:12"
    assert key("acme/anvil", Kind.CHANGE) == "github:1:change:12"


def test_task_ids_are_short_and_hard_to_misread() -> None:
    ids = {new_task_id() for _ in range(1000)}

    assert len(ids) == 1000
    assert {len(task_id) for task_id in ids} == {8}
    assert not set("01ilo") & set("".join(ids))
