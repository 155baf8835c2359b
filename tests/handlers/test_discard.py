"""`/discard`: its reply lists the lost work and the saved commits."""

import pytest

from bot.domain.errors import NotPossible
from bot.domain.outcomes import Outcome
from bot.store import tasks, workspaces
from tests.support.commander import HEAD, Say, begin_run, remove_workspace

LATER = "d00d" + HEAD[4:]


@pytest.mark.parametrize(
    ("facts", "stays", "start"),
    [
        ({}, "", "the commit that the task started from"),
        (
            {"checked_head": HEAD, "pushed_head": HEAD},
            "These stay: branch `{branch}` at `c0ffee0000`.\n\n",
            "the pushed branch",
        ),
        (
            {"checked_head": LATER, "pushed_head": HEAD},
            "These stay: branch `{branch}` at `c0ffee0000` and the commits up to `d00dee0000`, "
            "which I have saved.\n\n",
            "the task's last commits",
        ),
        (
            {"checked_head": LATER},
            "These stay: the commits up to `d00dee0000`, which I have saved.\n\n",
            "the task's last commits",
        ),
    ],
)
def test_the_reply_lists_lost_work_and_saved_commits(
    say: Say, facts: dict[str, str], stays: str, start: str
) -> None:
    say("/run tidy it")
    task = say.worked(Outcome.AGENT_FAILED)
    with say.ledger.write() as tx:
        if facts:
            tasks.write(tx, task.id, **facts)

    reply = say("/discard")

    assert reply == (
        f"The workspace of task `{task.id}` is being removed: untracked files and the agent's notes are lost."
        f"\n\n{stays.format(branch=task.branch)}"
        f"`/resume` would start from {start} in a fresh clone."
    )


def test_a_discarded_workspace_is_due_for_removal_and_is_not_discarded_again(say: Say) -> None:
    say("/run tidy it")
    task = say.worked(Outcome.PUSHED)

    say("/discard")

    with say.ledger.write() as tx:
        assert workspaces.past_retention(tx, "h1", 10) == [task.id]
        assert workspaces.claim_removal(tx, task.id)
    with pytest.raises(NotPossible, match="was removed already"):
        say("/discard")


def test_discard_is_refused_for_a_workspace_that_a_run_needs(say: Say) -> None:
    say("/run tidy it")
    task, run = say.newest()

    with pytest.raises(NotPossible, match=f"Task `{task.id}` is queued.* Say `/cancel` first"):
        say("/discard")
    with say.ledger.write() as tx:
        begin_run(tx, run)
    with pytest.raises(NotPossible, match=f"Task `{task.id}` is running.* Say `/cancel` first"):
        say("/discard")


def test_discard_is_refused_for_a_removed_workspace(say: Say) -> None:
    say("/run tidy it")
    task = say.worked(Outcome.PUSHED)
    with say.ledger.write() as tx:
        remove_workspace(tx, task)

    with pytest.raises(NotPossible, match="was removed already"):
        say("/discard")


def test_a_discarded_workspace_is_retained_if_its_task_is_resumed_in_time(say: Say) -> None:
    say("/run tidy it")
    say.worked(Outcome.AGENT_FAILED)
    say("/discard")

    say("/resume")

    with say.ledger.read() as tx:
        assert workspaces.past_retention(tx, "h1", 10) == []
