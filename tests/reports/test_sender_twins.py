"""A comment that the forge carries out after the bot gave up on it does not stay twice."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from bot.domain.errors import ForgeGone, ForgeUnavailable
from bot.domain.thread import ReplyTarget
from bot.store import outbox
from bot.store.outbox import Outgoing
from bot.store.twins import LOOK_AFTER
from tests.reports.run_outbox import COMMENTS, FINAL, Outbox

AWAY = ForgeUnavailable("It did not answer within 30 seconds.")


def given_up(messages: Outbox, tries: int = 1) -> None:
    """Try to send so often, without an answer, and make the messages due again."""
    messages.forge.failing = AWAY
    for _ in range(tries):
        messages.send()
        messages.later(20)  # longer than the pauses after so few tries
    messages.forge.failing = None


def carried_out_late(messages: Outbox, kind: Outgoing, text: str = "late") -> int:
    """Let the forge carry out a post on which the bot had given up."""
    marker = f"<!-- forgehand:{kind}:{messages.run.id} -->"
    return messages.forge.comment(messages.thread, f"{text}\n\n{marker}", ReplyTarget())


def is_quiet(messages: Outbox) -> bool:
    with messages.ledger.read() as tx:
        return outbox.due_threads(tx, 9) == []


@pytest.mark.alike
@pytest.mark.parametrize("kind", COMMENTS)
def test_the_twin_of_a_comment_goes_a_minute_later(messages: Outbox, kind: Outgoing) -> None:
    messages.want(kind)
    given_up(messages)
    messages.send()
    (first,) = messages.forge.comments
    carried_out_late(messages, kind)
    assert is_quiet(messages)

    messages.later(LOOK_AFTER)
    with messages.ledger.read() as tx:
        assert outbox.due_threads(tx, 9) == [messages.thread.key]
    messages.send()

    assert list(messages.forge.comments) == [first]
    assert messages.item(kind).remote_id == first
    messages.later(3600)
    assert is_quiet(messages)


def test_a_comment_whose_post_was_answered_is_not_looked_for(messages: Outbox) -> None:
    messages.want(Outgoing.REPLY)
    messages.send()
    messages.later(3600)

    assert is_quiet(messages)


def test_an_edit_without_an_answer_makes_no_look(messages: Outbox) -> None:
    messages.want(Outgoing.REPLY)
    messages.send()
    messages.want(Outgoing.REPLY, {"text": "newer"})
    given_up(messages)
    messages.send()
    messages.later(3600)

    assert is_quiet(messages)


def test_a_look_does_not_post_a_comment_again_that_a_person_deleted(messages: Outbox) -> None:
    messages.want(Outgoing.FINAL)
    given_up(messages)
    messages.send()
    messages.forge.comments.clear()

    messages.later(LOOK_AFTER)
    messages.send()

    assert messages.forge.comments == {}


def test_progress_that_was_dropped_and_appears_late_is_brought_up_to_date(messages: Outbox) -> None:
    messages.want(Outgoing.PROGRESS)
    given_up(messages, tries=3)
    messages.want(Outgoing.FINAL, FINAL)
    messages.send()
    late = [carried_out_late(messages, Outgoing.PROGRESS) for _ in range(2)]

    messages.later(LOOK_AFTER)
    messages.send()

    assert late[0] in messages.forge.comments
    assert late[1] not in messages.forge.comments
    assert not any(body.startswith("late") for body in messages.bodies)
    assert len(messages.bodies) == 2


def test_the_twin_of_a_comment_that_was_posted_before_a_crash_goes(messages: Outbox) -> None:
    messages.want(Outgoing.REPLY)
    with messages.ledger.write() as tx:
        outbox.start_sending(tx, messages.item(Outgoing.REPLY))  # the process dies with its post on the way
    messages.send()
    carried_out_late(messages, Outgoing.REPLY)

    messages.later(LOOK_AFTER)
    messages.send()

    assert len(messages.bodies) == 1


def test_a_look_is_repeated_while_the_forge_is_away(messages: Outbox) -> None:
    messages.want(Outgoing.REPLY)
    given_up(messages)
    messages.send()
    carried_out_late(messages, Outgoing.REPLY)
    messages.later(LOOK_AFTER)

    given_up(messages)
    assert len(messages.bodies) == 2
    messages.later(300)
    messages.send()

    assert len(messages.bodies) == 1
    messages.later(3600)
    assert is_quiet(messages)


@pytest.mark.parametrize(
    "error", [ForgeGone("The thread is gone."), KeyError("a bug")], ids=["gone", "a bug"]
)
def test_a_look_that_cannot_succeed_is_not_repeated(messages: Outbox, error: Exception) -> None:
    messages.want(Outgoing.REPLY)
    given_up(messages)
    messages.send()
    messages.later(LOOK_AFTER)
    messages.forge.failing = error

    with capture_logs() as logged:
        messages.send()

    assert len(logged) == 1
    messages.later(3600)
    assert is_quiet(messages)


@pytest.mark.alike
@settings(deadline=None, max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    kind=st.sampled_from(COMMENTS),
    tries=st.integers(1, 4),
    early=st.integers(0, 4),
)
def test_one_comment_stays_whenever_the_forge_carries_out_the_posts(
    messages: Outbox, kind: Outgoing, tries: int, early: int
) -> None:
    """Of the posts without an answer, `early` many are carried out before the post that succeeds."""
    fresh = Outbox(messages.ledger)
    fresh.want(kind)
    given_up(fresh, tries)
    early = min(early, tries)
    for _ in range(early):
        carried_out_late(fresh, kind)
    fresh.send()
    for _ in range(tries - early):
        carried_out_late(fresh, kind)

    fresh.later(LOOK_AFTER)
    fresh.send()
    fresh.send()

    assert len(fresh.bodies) == 1
    assert list(fresh.forge.comments) == [fresh.item(kind).remote_id]
    assert not fresh.bodies[0].startswith("late")
