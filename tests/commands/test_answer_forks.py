"""Commands on a change from a fork: the head is pinned, and a command that waited is refused."""

from datetime import UTC, datetime, timedelta

import pytest

from bot.domain.errors import ForgeUnavailable
from bot.store import schema, tasks
from tests.commands.answering_bot import EVE, Bot
from tests.support.commander import CHANGE, HEAD, a_change


def ago(seconds: float) -> str:
    return (datetime.now(UTC) - timedelta(seconds=seconds)).isoformat(timespec="seconds")


@pytest.mark.parametrize("seconds", [50, -7200])  # the forge's clock may be ahead of ours
def test_a_fresh_command_on_a_forks_change_pins_the_current_head(bot: Bot, seconds: int) -> None:
    bot.forge.heads[CHANGE.key] = a_change(same_repository=False)

    bot.comment("/run tidy it", change=True, at=ago(seconds))

    (run,) = bot.runs()
    with bot.ledger.read() as tx:
        task = tasks.get(tx, run.task)
    assert (task.fork, task.pinned) == (True, HEAD)


def test_a_command_on_a_forks_change_is_refused_after_a_minute(bot: Bot) -> None:
    bot.forge.heads[CHANGE.key] = a_change(same_repository=False)

    bot.comment("/run tidy it", change=True, at=ago(70))
    bot.comment("/status", change=True, at=ago(70))

    assert ["give the command again" in reply for reply in bot.replies()] == [True, False]
    assert bot.rows(schema.tasks, schema.runs) == 0
    bot.forge.heads[CHANGE.key] = a_change()
    bot.comment("/run tidy it", change=True, at=ago(70))
    assert len(bot.runs()) == 1


def test_a_command_on_a_forks_change_is_refused_after_waiting_for_the_forge(bot: Bot) -> None:
    bot.forge.heads[CHANGE.key] = a_change(same_repository=False)
    bot.forge.failing = ForgeUnavailable("GitHub answered 502.")
    delivery_id = bot.comment("/run tidy it", change=True, at=ago(70))

    bot.forge.failing = None
    bot.answer(delivery_id)

    assert ["give the command again" in reply for reply in bot.replies()] == [True]
    assert bot.rows(schema.tasks, schema.runs) == 0


def test_the_author_of_a_forks_change_needs_permission_like_anybody_else(bot: Bot) -> None:
    bot.forge.heads[CHANGE.key] = a_change(same_repository=False)

    bot.comment("/run tidy it", by=EVE, change=True, at=ago(0))

    assert ["people who may write" in reply for reply in bot.replies()] == [True]
    assert bot.rows(schema.tasks, schema.runs) == 0
