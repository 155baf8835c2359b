"""A mistyped command is refused before the forge is asked, and once for a person without permission."""

from dataclasses import replace

import pytest

from bot.store import schema
from tests.commands.answering_bot import EVE, Bot, label, repository_at
from tests.support.commander import CHANGE, a_change

MISTYPED = [
    "/run --basee x",
    "/run --base",
    "/run --base ../x tidy",
    "/run --timeout soon",
    "/run --pr merge",
    "/resume --base main go on",
    "@forge-bot rnu tidy",
]


@pytest.mark.parametrize("body", MISTYPED)
def test_a_mistyped_command_is_refused_before_the_forge_is_asked(bot: Bot, body: str) -> None:
    bot.comment("/status")  # so the bot already has the address of the repository
    calls = bot.forge.calls

    bot.comment(body)

    assert bot.forge.calls == calls
    assert len(bot.replies()) == 2
    assert bot.rows(schema.tasks, schema.runs) == 0


def test_a_person_with_permission_gets_a_reply_to_every_mistyped_command(bot: Bot) -> None:
    bot.comment("/status")

    for body in MISTYPED:
        bot.comment(body)

    assert len(bot.replies()) == 1 + len(MISTYPED)


def test_a_second_mistyped_command_asks_the_forge_for_the_permission_only(bot: Bot) -> None:
    bot.forge.heads[CHANGE.key] = a_change()
    bot.comment("/run tidy", change=True)
    for_a_run = bot.forge.calls
    bot.comment("/run --basee x", change=True)
    before = bot.forge.calls

    bot.comment("/run --basee x", change=True)

    assert bot.forge.calls - before == for_a_run - 3  # no complete event, no history, no head


def test_a_person_without_permission_gets_one_reply_on_a_thread_for_all_mistyped_commands(bot: Bot) -> None:
    bot.comment("/status")
    for body in [*MISTYPED, "/run tidy", *MISTYPED]:
        bot.comment(body, by=EVE)
    assert len(bot.replies()) == 2

    bot.comment("/run tidy", by=EVE, change=True)
    bot.comment("/run --basee x", by=EVE, change=True)

    assert ["people who may write" in reply for reply in bot.replies()] == [False, False, True]


def test_a_mistyped_command_in_an_unknown_repository_asks_the_forge_first(bot: Bot) -> None:
    bot.forge.repositories[1] = repository_at("evil/mine")

    bot.comment("/run --basee x")

    assert bot.has_done_nothing()
    bot.forge.repositories[1] = repository_at("acme/hammer")
    bot.comment("/status")
    bot.comment("/run --basee x", by=EVE)
    assert ["people who may write" in reply for reply in bot.replies()] == [False, True]


def test_a_mistyped_command_of_the_bots_own_account_gets_no_answer(bot: Bot) -> None:
    bot.comment("/status")
    bot.forge.me = replace(bot.forge.me, id=8, login="Forge-Bot")

    bot.comment("/run --basee x", by={"id": 8, "login": "Forge-Bot", "type": "User"})

    assert len(bot.replies()) == 1


def test_a_removed_label_with_a_mistyped_text_gets_no_answer(bot: Bot) -> None:
    bot.comment("/status")
    before = bot.outbox()
    bot.labels = {"tidy": "--basee x tidy"}

    bot.answer(bot.receive("issues", label("tidy")))

    assert bot.outbox() == before
