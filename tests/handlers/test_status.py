"""`/status`, on threads with tasks in every state."""

from datetime import UTC, datetime

import pytest

from bot.domain.lifecycle import Phase
from bot.domain.outcomes import Outcome
from bot.store import tasks, workspaces
from tests.support.commander import HEAD, Say, begin_run, remove_workspace


def test_run_is_suggested_on_a_thread_without_a_task(say: Say) -> None:
    assert say("/status") == "There is no task on this thread. Start with `/run`."


def test_the_status_of_a_queued_run_has_its_queue_position(say: Say) -> None:
    say("/run one")
    say("/run two")
    task = say.newest()[0]

    newest, oldest = say("/status").split("\n\n")

    assert newest == (
        f"**Task `{task.id}`**, run 1: number 2 in the queue. "
        f"Branch `{task.branch}`, not pushed yet. Next: `/cancel`"
    )
    assert "run 1: next in the queue." in oldest
    assert "Next: `/cancel --task " in oldest


def test_the_status_of_a_running_run_has_its_phase(say: Say) -> None:
    say("/run one")
    run = say.newest()[1]
    with say.ledger.write() as tx:
        begin_run(tx, run, (Phase.AGENT,))

    assert "run 1: running, in phase agent." in say("/status")


@pytest.mark.parametrize(
    ("outcome", "sentence", "next_command"),
    [
        (Outcome.PUSHED, "Pushed.", "/resume <what to do next>"),
        (
            Outcome.QUESTION,
            "The agent needs an answer before it can go on.",
            "/resume <your answer>` or `/diff",
        ),
        (Outcome.HELD, "Approval needed", f"/approve {HEAD[:12]}` or `/resume <what to do instead>"),
        (Outcome.CANCELLED, "Cancelled.", "/resume` or `/diff"),
        (Outcome.LOST, "The run was lost", "/resume` or `/retry"),
    ],
)
def test_the_status_of_an_ended_run_has_its_outcome_and_the_next_command(
    say: Say, outcome: Outcome, sentence: str, next_command: str
) -> None:
    say("/run one")
    say.worked(outcome, checked_head=HEAD)

    reply = say("/status")

    assert sentence in reply
    assert reply.endswith(f"Next: `{next_command}`")


def test_the_pushed_head_the_change_and_the_retention_are_named(say: Say) -> None:
    say("/run one")
    task = say.worked(Outcome.PUSHED, pushed_head=HEAD)
    with say.ledger.write() as tx:
        tasks.write(tx, task.id, change_number=41)
        workspaces.retain(tx, task.id, datetime(2030, 1, 2, 3, 4, tzinfo=UTC).timestamp())

    reply = say("/status")

    assert f"Branch `{task.branch}` at `{HEAD[:10]}`. Change #41." in reply
    assert "Workspace kept until 2030-01-02 03:04 UTC." in reply


def test_the_status_mentions_that_the_workspace_was_removed(say: Say) -> None:
    say("/run one")
    task = say.worked(Outcome.PUSHED)
    with say.ledger.write() as tx:
        remove_workspace(tx, task)

    assert "Its workspace was removed." in say("/status")
