"""The retention of workspaces, by default and by command."""

from collections.abc import Callable

import pytest
from sqlalchemy import Connection

from bot.domain.errors import NotPossible
from bot.domain.lifecycle import State
from bot.domain.outcomes import Outcome
from bot.domain.task import Task
from bot.store import runs, tasks, workspaces
from bot.store.ledger import clock
from bot.tasks.retention import KEEP, discard, keep
from bot.tasks.verbs import Tasks
from tests.support.at_once import at_once
from tests.support.commander import DEFAULTS, Say, a_command, patch_url, remove_workspace

DAY = 86400.0


def test_workspaces_are_retained_two_days_after_success_and_seven_otherwise() -> None:
    days = {state: seconds / 86400 for state, seconds in KEEP.items()}

    assert days == {State.SUCCEEDED: 2, State.FAILED: 7, State.CANCELLED: 7, State.WAITING: 7}


def retained_for(say: Say, task: Task) -> float:
    """Return the end of the retention, in seconds from now."""
    with say.ledger.read() as tx:
        kept, now = workspaces.get(tx, task.id), clock(tx)
    assert kept is not None
    assert kept.keep_until is not None
    return kept.keep_until - now


def test_days_requested_during_a_run_count_from_its_end_and_from_the_end_of_later_runs(say: Say) -> None:
    say("/run tidy it")
    say("/keep 30")

    task = say.worked(Outcome.PUSHED)
    first = retained_for(say, task)
    say("/resume more")
    say("/cancel")
    second = retained_for(say, task)

    assert [round(seconds / DAY, 2) for seconds in (first, second)] == [30, 30]


def test_days_requested_after_a_run_count_from_the_request_and_from_the_end_of_later_runs(say: Say) -> None:
    say("/run tidy it")
    task = say.worked(Outcome.PUSHED)
    say("/keep 30")

    first = retained_for(say, task)
    say("/keep 1")
    shorter = retained_for(say, task)
    say("/resume more")
    say.worked(Outcome.PUSHED)
    second = retained_for(say, task)

    days = [round(seconds / DAY, 2) for seconds in (first, shorter, second)]
    assert days == [30, 1, 1]


def test_a_refused_keep_changes_nothing(say: Say) -> None:
    say("/run tidy it")
    task = say.worked(Outcome.PUSHED)
    with say.ledger.write() as tx:
        remove_workspace(tx, task)

    with pytest.raises(NotPossible), say.ledger.write() as tx:
        keep(tx, task.id, 30)

    with say.ledger.read() as tx:
        assert tasks.get(tx, task.id).keep_days is None


def test_a_discard_and_a_resume_at_once_never_remove_the_workspace_of_the_new_run(say: Say) -> None:
    say("/run tidy it")
    task = say.worked(Outcome.AGENT_FAILED)
    resumed = a_command("resume")

    def one(tx: Connection, number: int) -> str:
        if number % 2:
            return discard(tx, task.id).id
        return Tasks(tx=tx, defaults=DEFAULTS, help=(), patch_url=patch_url).resume(resumed).run.id

    at_once(say.ledger, 2, lambda tx, number: _or_refused(one, tx, number))

    with say.ledger.read() as tx:
        assert runs.newest(tx, task.id).number == 2
        assert workspaces.past_retention(tx, "h1", 10) == []


def _or_refused(one: Callable[[Connection, int], str], tx: Connection, number: int) -> str:
    try:
        return one(tx, number)
    except NotPossible:
        return ""
