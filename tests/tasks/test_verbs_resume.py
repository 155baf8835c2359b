"""Resume, in each state that a task may have in the ledger."""

from dataclasses import replace

import pytest

from bot.domain.errors import NotPossible
from bot.domain.lifecycle import Phase, State
from bot.domain.outcomes import Outcome
from bot.store import runs, tasks, workspaces
from bot.store.ledger import Ledger
from bot.tasks.verbs import Tasks
from tests.support.commander import (
    CHANGE,
    DEFAULTS,
    HEAD,
    ISSUE,
    Say,
    a_change,
    a_command,
    begin_run,
    patch_url,
    remove_workspace,
)
from tests.tasks.verb_calls import HELD, WORKED, verbs


def test_resume_on_a_thread_without_a_task_suggests_run(say: Say) -> None:
    with pytest.raises(NotPossible, match="Start with `/run`"):
        say("/resume")


def test_resume_is_refused_while_the_task_is_queued_or_running(say: Say) -> None:
    say("/run one", thread=CHANGE, change=a_change())
    say("/run two")
    with pytest.raises(NotPossible, match="is queued, number 2 in the queue"):
        say("/resume")

    with say.ledger.write() as tx:
        begin_run(tx, runs.newest(tx, tasks.of_thread(tx, ISSUE.key)[0].id))
    with pytest.raises(NotPossible, match="is running"):
        say("/resume now")

    assert say.newest()[1].number == 1


@pytest.mark.parametrize(
    "outcome",
    [Outcome.AGENT_FAILED, Outcome.TIMED_OUT, Outcome.LOST, Outcome.EXPORT_REFUSED, Outcome.CANCELLED],
)
def test_resume_without_a_text_repeats_the_request(say: Say, outcome: Outcome) -> None:
    say("/run --timeout 5m tidy it")
    say.worked(outcome, *WORKED)

    say("/resume")

    task, run = say.newest()
    assert (run.number, run.request, run.first_phase, run.wall_limit) == (2, "tidy it", Phase.PREPARE, 300)
    assert task.state is State.QUEUED


def test_resume_is_queued_for_the_host_of_the_workspace_and_suspends_its_retention(say: Say) -> None:
    say("/run tidy it")
    task = say.worked(Outcome.AGENT_FAILED, *WORKED)

    say("/resume try again")

    with say.ledger.read() as tx:
        kept = workspaces.get(tx, task.id)
    assert kept is not None
    assert kept.keep_until is None
    assert (say.newest()[1].host, say.newest()[1].request) == ("h1", "try again")


@pytest.mark.parametrize("outcome", [Outcome.PUSH_REJECTED, Outcome.REMOTE_MISSING, Outcome.LOST])
def test_resume_without_a_text_after_a_failed_push_only_pushes(say: Say, outcome: Outcome) -> None:
    say("/run tidy it")
    say.worked(outcome, *WORKED, Phase.PUSH)

    say("/resume")
    once = say.newest()[1]
    say.worked(outcome)
    say("/resume")
    twice = say.newest()[1]

    assert (once.first_phase, once.request, once.host) == (Phase.PUSH, "tidy it", "h1")
    assert (twice.first_phase, twice.number) == (Phase.PUSH, 3)


def test_resume_without_a_text_after_the_end_of_the_change_prepares_a_new_branch(say: Say) -> None:
    say("/run tidy it")
    say.worked(Outcome.CHANGE_ENDED, *WORKED, Phase.PUSH)

    say("/resume")

    assert say.newest()[1].first_phase is Phase.PREPARE


def test_resume_with_a_text_after_a_failed_push_runs_the_agent(say: Say) -> None:
    say("/run tidy it")
    say.worked(Outcome.PUSH_REJECTED, *WORKED, Phase.PUSH)

    say("/resume merge the pushed commits")

    run = say.newest()[1]
    assert (run.first_phase, run.request) == (Phase.PREPARE, "merge the pushed commits")


def test_a_remote_that_was_missing_from_the_start_is_not_a_failed_push(say: Say) -> None:
    say("/run tidy it")
    say.worked(Outcome.REMOTE_MISSING)

    say("/resume")

    assert say.newest()[1].first_phase is Phase.PREPARE


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        (Outcome.PUSHED, "is done. Add instructions"),
        (Outcome.NO_CHANGES, "is done. Add instructions"),
        (Outcome.QUESTION, "/resume <your answer>"),
        (Outcome.HELD, "awaits approval. `/approve`"),
    ],
)
def test_resume_without_a_needed_text_is_refused(say: Say, outcome: Outcome, expected: str) -> None:
    say("/run tidy it")
    say.worked(outcome, *WORKED, checked_head=HELD)

    with pytest.raises(NotPossible) as caught:
        say("/resume")
    assert expected in str(caught.value)
    assert say.newest()[1].number == 1

    say("/resume add tests")
    assert say.newest()[1].request == "add tests"


def test_resume_of_a_task_whose_workspace_was_removed_may_run_on_any_host(say: Say) -> None:
    say("/run tidy it")
    task = say.worked(Outcome.PUSHED, *WORKED, Phase.PUSH, pushed_head=HEAD)
    with say.ledger.write() as tx:
        remove_workspace(tx, task)

    with verbs(say.ledger) as tasks_:
        queued = tasks_.resume(a_command("resume", "add tests"))

    assert queued.workspace_gone
    assert queued.run.host == ""


def test_resume_continues_the_newest_task_or_the_named_one(say: Say) -> None:
    say("/run one")
    old = say.worked(Outcome.AGENT_FAILED)
    say("/run two")
    new = say.worked(Outcome.AGENT_FAILED)

    say(f"/resume --task {old.id}")
    say("/resume")

    with say.ledger.read() as tx:
        assert [len(runs.of_task(tx, task.id)) for task in (old, new)] == [2, 2]


def test_a_task_of_another_thread_cannot_be_named(say: Say) -> None:
    say("/run one", thread=CHANGE, change=a_change())
    other = say.worked(Outcome.AGENT_FAILED, thread=CHANGE)

    for command in ("/resume", "/cancel", "/approve"):
        with pytest.raises(NotPossible, match=f"no task `{other.id}` on this thread"):
            say(f"{command} --task {other.id}")

    assert say.newest(CHANGE)[1].number == 1


def test_a_resume_gets_at_most_the_current_wall_limit(ledger: Ledger, say: Say) -> None:
    say("/run tidy it")
    say.worked(Outcome.TIMED_OUT, *WORKED)

    with ledger.write() as tx:
        shorter = replace(DEFAULTS, wall_limit=600)
        queued = Tasks(tx=tx, defaults=shorter, help=(), patch_url=patch_url).resume(a_command("resume"))

    assert queued.run.wall_limit == 600
