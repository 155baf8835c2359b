"""A forge that is not available, refuses, or no longer has the thread of a command."""

import pytest
from sqlalchemy import update

from bot.domain.errors import ForgeError, ForgeGone, ForgeUnavailable
from bot.store import schema
from bot.store.ledger import clock
from tests.commands.answering_bot import Bot, comment, pause_of


def test_an_unavailable_forge_is_asked_again_after_growing_pauses(bot: Bot) -> None:
    bot.forge.failing = ForgeUnavailable("GitHub answered 502.")
    delivery_id = bot.comment("/run tidy")

    pauses = [pause_of(bot, delivery_id)]
    for _ in range(7):
        bot.answer(delivery_id)
        pauses.append(pause_of(bot, delivery_id))
    assert bot.has_done_nothing()
    assert pauses == pytest.approx([5, 10, 20, 40, 80, 160, 300, 300], abs=4)

    bot.forge.failing = None
    bot.answer(delivery_id)
    assert len(bot.runs()) == 1


def test_a_forge_is_not_asked_again_before_the_time_that_it_gives(bot: Bot) -> None:
    bot.forge.failing = ForgeUnavailable("GitHub answered 429.", retry_after=77)

    assert pause_of(bot, bot.comment("/run tidy")) == pytest.approx(77, abs=4)


def test_after_an_hour_without_the_forge_the_command_is_refused(bot: Bot) -> None:
    bot.forge.failing = ForgeUnavailable("GitHub answered 502.")
    delivery_id = bot.comment("/run tidy")
    with bot.ledger.write() as tx:
        tx.execute(update(schema.deliveries).values(received_at=clock(tx) - 3601))

    bot.answer(delivery_id)

    assert ["nothing was done. Give the command again" in reply for reply in bot.replies()] == [True]
    assert bot.rows(schema.tasks, schema.runs) == 0
    assert bot.delivery(delivery_id).answered_at is not None


def test_a_definite_refusal_of_the_forge_is_in_the_reply(bot: Bot) -> None:
    bot.forge.failing = ForgeError("GitHub answered 403.")

    bot.comment("/run tidy")

    assert ["nothing was done. GitHub answered 403." in reply for reply in bot.replies()] == [True]
    assert bot.rows(schema.tasks, schema.runs) == 0


def test_a_command_on_a_deleted_thread_gets_no_answer(bot: Bot) -> None:
    bot.forge.failing = ForgeGone("GitHub answered 410.")

    delivery_id = bot.comment("/run tidy")

    assert bot.has_done_nothing()
    assert bot.delivery(delivery_id).answered_at is not None


def test_a_delivery_after_thousands_of_tries_is_scheduled_again(bot: Bot) -> None:
    bot.forge.failing = ForgeUnavailable("GitHub answered 502.")
    delivery_id = bot.receive("issue_comment", comment(500, "/run tidy"))
    with bot.ledger.write() as tx:
        tx.execute(update(schema.deliveries).values(attempts=5_000))

    bot.answer(delivery_id)

    assert pause_of(bot, delivery_id) == pytest.approx(300, abs=4)
