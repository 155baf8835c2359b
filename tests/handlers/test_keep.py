"""`/keep`, after a run, before one, and without a workspace."""

from datetime import UTC, datetime

import pytest

from bot.domain.errors import NotPossible, NotUnderstood
from bot.domain.outcomes import Outcome
from bot.store import workspaces
from bot.store.ledger import clock
from tests.support.commander import Say, remove_workspace


def test_the_reply_to_keep_has_the_end_of_the_retention(say: Say) -> None:
    say("/run tidy it")
    task = say.worked(Outcome.PUSHED)

    reply = say("/keep 30 days, please")

    with say.ledger.read() as tx:
        kept, now = workspaces.get(tx, task.id), clock(tx)
    assert kept is not None
    assert kept.keep_until is not None
    assert kept.keep_until == pytest.approx(now + 30 * 86400, abs=60)
    day = datetime.fromtimestamp(kept.keep_until, UTC)
    assert reply == f"The workspace of task `{task.id}` is kept until {day:%Y-%m-%d %H:%M} UTC."


@pytest.mark.parametrize(("days", "words"), [("1", "1 day"), ("365", "365 days")])
def test_the_requested_days_count_from_the_end_of_a_run_that_has_not_ended(
    say: Say, days: str, words: str
) -> None:
    say("/run tidy it")

    reply = say(f"/keep {days}")

    task = say.newest()[0]
    assert reply == f"The workspace of task `{task.id}` will be kept for {words} after its run has ended."


@pytest.mark.parametrize("text", ["", "0", "366", "1000", "-1", "1.5", "a week", "30d", "٣", "1e2"])
def test_a_text_that_is_not_a_number_of_days_is_refused(say: Say, text: str) -> None:
    say("/run tidy it")
    task = say.worked(Outcome.PUSHED)

    with pytest.raises(NotUnderstood, match="a number of days from 1 to 365, such as `/keep 30`"):
        say(f"/keep -- {text}")

    assert say.newest()[0] == task


def test_keep_is_refused_for_a_removed_workspace(say: Say) -> None:
    say("/run tidy it")
    task = say.worked(Outcome.PUSHED)
    with say.ledger.write() as tx:
        remove_workspace(tx, task)

    with pytest.raises(NotPossible, match="was removed already"):
        say("/keep 30")

    assert say.newest()[0].keep_days is None


def test_keep_is_refused_for_a_task_that_never_had_a_workspace(say: Say) -> None:
    say("/run tidy it")
    say("/cancel")

    with pytest.raises(NotPossible, match="ended before it had a workspace"):
        say("/keep 30")
