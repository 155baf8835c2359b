"""The reply names the parts of a comment that were not obeyed."""

import pytest

from bot.domain.command import WHOLE_THREAD
from tests.commands.answering_bot import EVE, Bot

UNREAD = "Read as text, not as an option: `--base`. Options stand before the text of a command."


def test_an_option_within_the_text_of_a_run_is_named_in_a_reply_of_its_own(bot: Bot) -> None:
    bot.comment("/run tidy the parser \u2014base dev")

    (run,) = bot.runs()
    assert run.request == "tidy the parser \u2014base dev"
    assert bot.replies() == [UNREAD]
    progress = [content["text"] for _, kind, _, content in bot.outbox() if kind == "progress"]
    assert [UNREAD in text for text in progress] == [False]


def test_an_option_within_the_text_is_named_below_the_reply_of_a_command_without_a_run(bot: Bot) -> None:
    bot.comment("/status of `x` --base dev")

    assert bot.replies() == [f"There is no task on this thread. Start with `/run`.\n\n{UNREAD}"]


def test_an_option_within_the_text_of_a_stranger_is_not_named(bot: Bot) -> None:
    bot.comment("/run tidy --base dev", by=EVE)

    assert ["people who may write" in reply for reply in bot.replies()] == [True]
    assert "--base" not in bot.replies()[0]


@pytest.mark.parametrize("dash", ["\u2014", "\u2013", "\u2014\u2014"])
def test_a_start_branch_after_a_long_dash_is_the_start_branch_of_the_task(bot: Bot, dash: str) -> None:
    bot.comment(f"/run {dash}base dev")

    (run,) = bot.runs()
    assert run.request == WHOLE_THREAD
    assert bot.start_branches() == ["dev"]
    assert bot.replies() == []
