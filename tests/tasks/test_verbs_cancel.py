"""Cancel, in each state that a task may have in the ledger."""

import pytest

from bot.domain.errors import NotPossible
from bot.domain.lifecycle import Phase
from bot.domain.outcomes import Outcome
from bot.store import outbox, runs, tasks, workspaces
from bot.store.ledger import clock
from bot.store.outbox import Outgoing
from tests.support.commander import CHANGE, HEAD, ISSUE, Say, a_change, begin_run
from tests.tasks.verb_calls import WORKED


def test_cancel_of_a_queued_run_ends_it_and_updates_its_comment_and_status(say: Say) -> None:
    say("/run tidy", thread=CHANGE, change=a_change())
    say("/cancel", thread=CHANGE)

    task, run = say.newest(CHANGE)
    with say.ledger.read() as tx:
        (progress,) = outbox.of_subject(tx, run.id, Outgoing.PROGRESS)
        (status,) = outbox.of_subject(tx, run.id, Outgoing.STATUS)
    assert (task.state, run.state, run.outcome) == ("cancelled", "cancelled", Outcome.CANCELLED)
    assert progress.content == {"text": f"Task `{task.id}`, run 1: cancelled before it began."}
    assert (status.target, status.content["verdict"]) == (HEAD, "error")


def test_cancel_of_a_queued_resume_retains_the_workspace_for_seven_days(say: Say) -> None:
    say("/run tidy")
    task = say.worked(Outcome.PUSHED, *WORKED)
    say("/resume more")
    say("/cancel")

    with say.ledger.read() as tx:
        kept = workspaces.get(tx, task.id)
        now = clock(tx)
    assert kept is not None
    assert kept.keep_until == pytest.approx(now + 7 * 86400, abs=60)


def test_cancel_of_a_running_run_records_the_request_for_its_worker(say: Say) -> None:
    say("/run tidy")
    with say.ledger.write() as tx:
        begin_run(tx, runs.newest(tx, tasks.of_thread(tx, ISSUE.key)[0].id), (Phase.AGENT,))

    say("/cancel")

    task, run = say.newest()
    assert (task.state, run.state, run.cancel_asked) == ("running", "running", True)


def test_cancel_is_refused_after_the_push_has_begun(say: Say) -> None:
    say("/run tidy")
    with say.ledger.write() as tx:
        begin_run(tx, runs.newest(tx, tasks.of_thread(tx, ISSUE.key)[0].id), (*WORKED, Phase.PUSH))

    with pytest.raises(NotPossible, match=r"push of task .* has already begun"):
        say("/cancel")

    assert not say.newest()[1].cancel_asked


def test_cancel_ends_the_newest_task_that_has_not_ended(say: Say) -> None:
    say("/run one")
    one = say.newest()[0]
    say("/run two")
    two = say.newest()[0]
    say("/cancel")
    say("/cancel")

    with say.ledger.read() as tx:
        assert [tasks.get(tx, task.id).state for task in (one, two)] == ["cancelled", "cancelled"]
    with pytest.raises(NotPossible, match="nothing to cancel"):
        say("/cancel")
    with pytest.raises(NotPossible, match=f"Task `{one.id}` is cancelled"):
        say(f"/cancel --task {one.id}")
