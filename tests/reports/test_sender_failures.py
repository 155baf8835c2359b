"""Messages are retried until the forge answers; a refused one is recorded and delays no other."""

from itertools import count

import pytest
from sqlalchemy import update
from structlog.testing import capture_logs

from bot.domain.errors import ForgeError, ForgeUnavailable, LedgerUnavailable
from bot.store import outbox
from bot.store.outbox import Outgoing
from bot.store.schema import outbox as table
from tests.reports.run_outbox import Outbox

LASTING = [kind for kind in Outgoing if kind not in (Outgoing.REACTION, Outgoing.PROGRESS)]


def test_the_pause_doubles_each_time_a_forge_does_not_answer(messages: Outbox) -> None:
    messages.want(Outgoing.REPLY)
    messages.forge.failing = ForgeUnavailable("It is down.")
    for pause in (2, 4, 8, 16):
        before = messages.now()
        messages.send()
        after, due = messages.now(), messages.due_at(Outgoing.REPLY)

        assert before + pause <= due <= after + pause
        messages.later(pause + after - before)


def test_the_sender_respects_the_retry_after_of_a_forge(messages: Outbox) -> None:
    messages.want(Outgoing.REPLY)
    messages.forge.failing = ForgeUnavailable("Slow down.", retry_after=61)

    messages.send()

    assert messages.due_in(Outgoing.REPLY) == pytest.approx(61, abs=2)


@pytest.mark.alike
@pytest.mark.parametrize("kind", [Outgoing.REACTION, Outgoing.PROGRESS])
def test_an_optional_message_is_dropped_after_three_failures(messages: Outbox, kind: Outgoing) -> None:
    messages.want(kind)
    messages.forge.failing = ForgeUnavailable("It is down.")
    for _ in range(3):
        assert messages.due_in(kind) is not None
        messages.send()
        messages.later(3600)

    assert messages.due_in(kind) is None
    assert messages.refusals() == []  # the forge refused no message


def test_dropped_progress_is_sent_again_with_the_next_text(messages: Outbox) -> None:
    messages.want(Outgoing.PROGRESS)
    messages.forge.failing = ForgeUnavailable("It is down.")
    for _ in range(3):
        messages.send()
        messages.later(3600)
    messages.forge.failing = None

    messages.want(Outgoing.PROGRESS, {"text": "agent"})
    messages.send()

    assert [body.split("\n")[0] for body in messages.bodies] == ["agent"]


@pytest.mark.alike
@pytest.mark.parametrize("kind", LASTING)
def test_other_messages_are_retried_every_five_minutes_until_the_forge_answers(
    messages: Outbox, kind: Outgoing
) -> None:
    messages.want(kind)
    with messages.ledger.write() as tx:
        tx.execute(
            update(table).values(attempts=5_000)
        )  # more than two weeks with a pause of five minutes each
    messages.forge.failing = ForgeUnavailable("It is still down.")

    messages.send()

    assert messages.due_in(kind) == pytest.approx(300, abs=2)
    messages.forge.failing = None
    messages.forge.labels[messages.thread.key] = {"forgehand"}
    messages.later(300)
    messages.send()
    assert messages.writes == (0 if kind is Outgoing.LABEL else 1)
    assert messages.forge.labels[messages.thread.key] == (
        {"forgehand"} if kind is not Outgoing.LABEL else set()
    )


def test_a_refusal_is_recorded_and_delays_no_other_message(messages: Outbox) -> None:
    messages.want(Outgoing.REPLY)
    messages.send()
    messages.forge.comments.clear()  # a person deleted it
    messages.want(Outgoing.REPLY, {"text": "newer"})
    messages.want(Outgoing.STATUS)
    messages.want(Outgoing.FINAL)

    messages.send()
    messages.later(3600)
    messages.send()

    assert messages.refusals() == [("reply", "The comment is not there.")]
    assert len(messages.forge.statuses) == 1
    assert [body.split("\n")[0] for body in messages.bodies] == ["**Pushed.**"]


@pytest.mark.alike
@pytest.mark.parametrize("kind", list(Outgoing))
def test_a_refused_message_is_not_tried_again(messages: Outbox, kind: Outgoing) -> None:
    messages.want(kind)
    messages.forge.failing = ForgeError("GitHub refused: no (403).")
    messages.send()
    messages.forge.failing = None

    messages.later(3600)
    messages.send()

    assert messages.refusals() == [(kind, "GitHub refused: no (403).")]
    assert messages.writes == 0


def test_after_five_unexpected_errors_a_message_is_refused_with_the_number_of_the_incident(
    messages: Outbox,
) -> None:
    messages.want(Outgoing.REPLY)
    messages.forge.failing = ZeroDivisionError("secret detail")
    with capture_logs() as logged:
        for _ in range(6):
            messages.send()
            messages.later(3600)

    numbers = [line["incident"] for line in logged if line["event"] == "report broke"]
    assert len(numbers) == 5
    ((_, words),) = messages.refusals()
    assert f"incident number `{numbers[-1]}`" in words
    assert "secret" not in words


def test_a_message_with_an_id_that_the_ledger_cannot_store_is_refused_and_delays_no_other(
    messages: Outbox,
) -> None:
    messages.want(Outgoing.REPLY)
    messages.want(Outgoing.STATUS)
    messages.forge._ids = count(2**63)

    with capture_logs():
        for _ in range(6):
            messages.send()
            messages.later(3600)

    assert len(messages.forge.statuses) == 1
    assert ["incident" in words for kind, words in messages.refusals() if kind == "reply"] == [True]
    assert messages.due_in(Outgoing.REPLY) is None
    with messages.ledger.read() as tx:
        assert outbox.due_threads(tx, 10) == []


def test_a_message_whose_refusal_the_ledger_cannot_store_is_refused_with_an_incident(
    messages: Outbox,
) -> None:
    messages.want(Outgoing.REPLY)
    # PostgreSQL stores no NUL; neither ledger stores half of a surrogate pair.
    messages.forge.failing = ForgeError("GitHub refused: \x00 \ud800 (422).")

    with capture_logs():
        messages.send()

    assert ["incident" in words for _, words in messages.refusals()] == [True]
    assert messages.due_in(Outgoing.REPLY) is None


@pytest.mark.parametrize("kind", LASTING)
def test_after_ten_errors_of_the_ledger_a_message_is_refused_with_an_incident(
    messages: Outbox, kind: Outgoing
) -> None:
    messages.want(kind)
    messages.forge.failing = LedgerUnavailable("OperationalError: index row size exceeds the maximum")

    with capture_logs():
        for tries in range(10):
            assert messages.due_in(kind) is not None, tries
            messages.send()
            messages.later(3600)

    assert messages.due_in(kind) is None
    assert ["incident" in words for _, words in messages.refusals()] == [True]
