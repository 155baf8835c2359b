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


def of_others(first: str, others: str) -> str:
    return (
        f"I obey only the first command of a comment, here `/{first}`. "
        f"The rest is its text, also {others}: write each command in a comment of its own."
    )


def test_the_reply_to_two_commands_in_a_comment_says_that_only_the_first_is_obeyed(bot: Bot) -> None:
    bot.comment("/run tidy it\n\n/run sort it\n/cancel\n/run count it")

    assert [run.state for run in bot.runs()] == ["queued"]
    assert bot.replies() == [of_others("run", "`/run`, `/cancel`")]


def test_the_reply_to_a_command_without_a_run_says_so_below_its_own_text(bot: Bot) -> None:
    bot.comment("/status\n/run tidy it")

    assert bot.runs() == []
    assert bot.replies() == [
        f"There is no task on this thread. Start with `/run`.\n\n{of_others('status', '`/run`')}"
    ]


@pytest.mark.parametrize("first", ["/run --basee x", "/cancel", "/run --agent nobody tidy it"])
def test_a_refusal_says_so_too(bot: Bot, first: str) -> None:
    bot.comment(f"{first}\n/run tidy it")

    assert bot.runs() == []
    [reply] = bot.replies()
    assert reply.endswith(of_others(first[1:].split()[0], "`/run`"))


def test_an_early_refusal_says_so_too(bot: Bot) -> None:
    bot.comment("/help")

    bot.comment("/run --basee x\n/cancel")

    assert bot.replies()[1].endswith(of_others("run", "`/cancel`"))


def test_a_person_without_permission_gets_only_the_refusal(bot: Bot) -> None:
    bot.comment("/run tidy it\n/cancel", by=EVE)

    assert bot.replies() == ["Only people who may write to this repository can tell me what to do here."]
