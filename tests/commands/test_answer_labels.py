"""A label is a command: it queues a run and is removed."""

from bot.store import schema
from tests.commands.answering_bot import EVE, Bot, label
from tests.support.commander import ISSUE


def test_the_label_queues_a_run_and_is_removed(bot: Bot) -> None:
    bot.forge.labels[ISSUE.key] = {"forgehand"}

    bot.answer(bot.receive("issues", label("forgehand")))

    (run,) = bot.runs()
    cause = "label:issue/12:forgehand:2026-11-23T07:18:23Z"
    assert (run.request, run.cause) == ("Do what this thread asks", cause)
    thread = {"spot": {"comment_id": None, "discussion": "", "internal": False}}
    assert bot.outbox()[:2] == [
        (cause, "reaction", "", thread),
        (cause, "label", "forgehand", {"on": False}),
    ]


def test_a_label_that_was_removed_gets_no_answer(bot: Bot) -> None:
    bot.answer(bot.receive("issues", label("forgehand")))

    assert bot.has_done_nothing()


def test_the_longest_possible_label_fits_into_the_ledgers_keys(bot: Bot) -> None:
    name = "".join(chr(0x10000 + n * 37) for n in range(255))  # four bytes each, and not compressible
    bot.forge.labels[ISSUE.key] = {name}
    bot.labels = {name: "Tidy it."}

    delivery_id = bot.receive("issues", label(name))
    bot.answer(delivery_id)

    assert bot.delivery(delivery_id).error == ""
    assert [run.request for run in bot.runs()] == ["Tidy it."]
    assert ("label", name) in [(kind, target) for _, kind, target, _ in bot.outbox()]


def test_an_unknown_label_gets_no_answer(bot: Bot) -> None:
    bot.forge.labels[ISSUE.key] = {"bug"}

    bot.answer(bot.receive("issues", label("bug")))

    assert bot.has_done_nothing()


def test_a_label_added_without_permission_is_refused_and_not_removed(bot: Bot) -> None:
    bot.forge.labels[ISSUE.key] = {"forgehand"}

    bot.answer(bot.receive("issues", label("forgehand", by=EVE)))

    assert [row[:2] for row in bot.outbox()] == [("refusal:66", "reply")]
    assert bot.rows(schema.tasks, schema.runs) == 0
