"""Retry: a new task with the request of an old one."""

import pytest

from bot.domain.errors import NotPossible, NotUnderstood
from bot.domain.lifecycle import Phase, State
from bot.domain.outcomes import Outcome
from bot.store import runs, workspaces
from tests.support.commander import CHANGE, HEAD, Say, a_change
from tests.tasks.verb_calls import HELD, WORKED


def test_retry_gives_a_new_task_the_request_of_the_first_run(say: Say) -> None:
    say("/run --agent codex --timeout 5m --pr ready --base lexer tidy it")
    old = say.worked(Outcome.AGENT_FAILED, *WORKED, checked_head=HELD)
    first = say.newest()[1]
    say("/resume and add tests")
    say.worked(Outcome.AGENT_FAILED)

    say("/retry")

    task, run = say.newest()
    assert task.id != old.id
    assert (run.number, run.request, run.first_phase, run.host) == (1, "tidy it", Phase.PREPARE, "")
    assert (run.context, run.wall_limit) == (first.context, 300)
    assert (task.agent, task.change_form, task.base) == ("codex", "ready", "lexer")
    assert (task.base_head, task.checked_head, task.state) == ("", "", State.QUEUED)
    with say.ledger.read() as tx:
        kept = workspaces.get(tx, old.id)
        assert len(runs.of_task(tx, old.id)) == 2
        assert workspaces.get(tx, task.id) is None
    assert kept is not None
    assert kept.keep_until is not None


def test_retry_accepts_another_agent_and_another_time_limit(say: Say) -> None:
    say("/run tidy it")
    say.worked(Outcome.AGENT_FAILED)

    say("/retry --agent codex --timeout 90s")

    task, run = say.newest()
    assert (task.agent, run.wall_limit) == ("codex", 90)
    with pytest.raises(NotUnderstood, match="No agent of that name"):
        say(f"/retry --task {say.worked(Outcome.PUSHED).id} --agent nobody")


def test_retry_repeats_the_newest_task_or_the_named_one(say: Say) -> None:
    say("/run one")
    old = say.worked(Outcome.AGENT_FAILED)
    say("/run two")
    say.worked(Outcome.AGENT_FAILED)

    say("/retry")
    newest = say.newest()[1].request
    say(f"/retry --task {old.id}")
    named = say.newest()[1].request

    assert (newest, named) == ("two", "one")


def test_retry_on_a_change_pins_its_current_head(say: Say) -> None:
    later = "d00d" + HEAD[4:]
    say("/run tidy it", thread=CHANGE, change=a_change())
    say.worked(Outcome.AGENT_FAILED, thread=CHANGE, base="lexer", base_head=HEAD)

    say("/retry", thread=CHANGE, change=a_change(head=later))

    task = say.newest(CHANGE)[0]
    assert (task.base, task.pinned, task.base_head) == ("lexer", later, "")


def test_retry_on_a_change_that_was_closed_is_refused(say: Say) -> None:
    say("/run tidy it", thread=CHANGE, change=a_change())
    say.worked(Outcome.AGENT_FAILED, thread=CHANGE)

    with pytest.raises(NotPossible, match="closed"):
        say("/retry", thread=CHANGE, change=a_change(is_open=False))


def test_a_retry_of_an_internal_request_is_internal_too(say: Say) -> None:
    say("/run tidy it", internal=True)
    old = say.worked(Outcome.AGENT_FAILED)

    say("/retry")

    task, run = say.newest()
    assert (task.change_form, run.reply_target.internal) == (old.change_form, True)
    assert "tidy" not in task.branch


def test_an_internal_retry_of_a_public_request_opens_no_change(say: Say) -> None:
    say("/run tidy it")
    say.worked(Outcome.AGENT_FAILED)

    say("/retry", internal=True)

    assert say.newest()[0].change_form == "none"
