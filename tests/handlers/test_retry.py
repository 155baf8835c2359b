"""`/retry`, before and after the end of a task."""

import pytest

from bot.domain.errors import NotPossible, NotUnderstood
from bot.domain.outcomes import Outcome
from tests.support.commander import CHANGE, HEAD, Say, a_change, begin_run


def test_the_reply_names_the_new_task_and_the_old_one(say: Say) -> None:
    say("/run tidy it")
    old = say.worked(Outcome.AGENT_FAILED)

    reply = say("/retry")

    task = say.newest()[0]
    assert task.id != old.id
    assert reply == (
        f"Task `{task.id}` repeats the first instructions of task `{old.id}`. It is next in the queue. "
        f"Its branch will be `{task.branch}`.\n\n"
        f"Task `{old.id}` stays as it is: `/resume --task {old.id}` continues it.\n\n"
        "`/status` shows where it is, `/cancel` stops it."
    )


def test_the_reply_on_a_change_names_the_pinned_head(say: Say) -> None:
    later = "d00d" + HEAD[4:]
    say("/run tidy it", thread=CHANGE, change=a_change())
    say.worked(Outcome.AGENT_FAILED, thread=CHANGE)

    reply = say("/retry", thread=CHANGE, change=a_change(head=later))

    assert f"works on commit `{later}`" in reply


def test_a_retry_with_instructions_is_refused(say: Say) -> None:
    say("/run tidy it")
    say.worked(Outcome.AGENT_FAILED)

    with pytest.raises(NotUnderstood, match="`/run <instructions>` starts with other ones"):
        say("/retry but with tabs")


def test_retry_is_refused_for_a_queued_or_running_task(say: Say) -> None:
    say("/run tidy it")
    task, run = say.newest()

    with pytest.raises(NotPossible, match=f"Task `{task.id}` is queued, next in the queue"):
        say("/retry")
    with say.ledger.write() as tx:
        begin_run(tx, run)
    with pytest.raises(NotPossible, match=f"Task `{task.id}` is running. After a `/cancel`"):
        say("/retry")


def test_run_is_suggested_on_a_thread_without_a_task(say: Say) -> None:
    with pytest.raises(NotPossible, match="Start with `/run`"):
        say("/retry")
