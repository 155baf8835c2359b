"""The verbs of tasks, in each state that a task may have in the ledger."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
from sqlalchemy import select

from bot.domain.command import Options
from bot.domain.errors import NotPossible, NotUnderstood
from bot.domain.lifecycle import Phase, State
from bot.domain.outcomes import Outcome
from bot.store import outbox, runs, tasks, workspaces
from bot.store.ledger import Ledger, clock
from bot.store.outbox import Outgoing
from bot.store.schema import runs as runs_table
from bot.tasks.verbs import Tasks
from tests.support.commander import (
    ANN,
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

WORKED = (Phase.AGENT, Phase.EXPORT)
HELD = "abc1234" + "5" * 33


@pytest.fixture
def say(ledger: Ledger) -> Say:
    return Say(ledger)


@contextmanager
def verbs(ledger: Ledger) -> Iterator[Tasks]:
    with ledger.write() as tx:
        yield Tasks(tx=tx, defaults=DEFAULTS, help=(), patch_url=patch_url)


def test_a_new_task_has_its_first_run_queued(ledger: Ledger) -> None:
    with verbs(ledger) as tasks_:
        queued = tasks_.open(a_command("run", "tidy it"))

    task, run = queued.task, queued.run
    assert (task.state, task.agent, task.change, task.base, task.pinned) == (
        "queued",
        "demo",
        "draft",
        "",
        "",
    )
    assert task.branch == f"forgehand/12-tidy-the-parser-{task.id}"
    assert task.thread == ISSUE
    assert task.thread_key == ISSUE.key
    assert (run.id, run.number, run.state, run.first_phase) == (f"{task.id}-1", 1, "queued", Phase.PREPARE)
    assert (run.request, run.asked_by, run.host, run.wall_limit) == ("tidy it", ANN, "", 3600)
    assert run.context[0].text == "Tidy the parser\n\nIt is untidy."
    assert queued.position == 1


def test_the_request_of_a_command_without_a_text_is_the_thread(ledger: Ledger) -> None:
    with verbs(ledger) as tasks_:
        queued = tasks_.open(a_command("run"))

    assert queued.run.request == "Do what this thread asks"


def test_options_set_agent_base_time_limit_and_change(ledger: Ledger) -> None:
    options = Options(agent="codex", base="release", timeout=60, pr="none")
    with verbs(ledger) as tasks_:
        queued = tasks_.open(a_command("run", "tidy", options=options))

    task = queued.task
    assert (task.agent, task.base, queued.run.wall_limit, task.change) == ("codex", "release", 60, "none")


def test_the_base_of_a_task_on_a_change_is_the_branch_of_the_change_at_the_pinned_head(
    ledger: Ledger,
) -> None:
    with verbs(ledger) as tasks_:
        task = tasks_.open(a_command("run", "tidy", thread=CHANGE, change=a_change())).task

    assert (task.base, task.pinned, task.fork) == ("lexer", HEAD, False)


def test_the_option_here_selects_the_branch_of_the_change_and_no_new_change(ledger: Ledger) -> None:
    with verbs(ledger) as tasks_:
        task = tasks_.open(
            a_command("run", "tidy", thread=CHANGE, change=a_change(), options=Options(here=True))
        ).task

    assert (task.here, task.branch, task.base, task.pinned) == (True, "lexer", "lexer", HEAD)
    assert task.change == "none"


def test_the_option_here_is_refused_with_the_option_pr(ledger: Ledger) -> None:
    options = Options(here=True, pr="draft")
    with pytest.raises(NotUnderstood, match="leave `--pr` out"), verbs(ledger) as tasks_:
        tasks_.open(a_command("run", "tidy", thread=CHANGE, change=a_change(), options=options))

    assert no_runs(ledger)


def test_the_base_of_a_task_on_a_change_from_a_fork_is_the_base_branch_of_the_change(ledger: Ledger) -> None:
    change = a_change(same_repository=False)
    with verbs(ledger) as tasks_:
        task = tasks_.open(a_command("run", "tidy", thread=CHANGE, change=change)).task

    assert (task.base, task.pinned, task.fork) == ("main", HEAD, True)
    assert task.branch == f"forgehand/40-add-a-lexer-{task.id}"


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (Options(agent="codecs"), "Did you mean `codex`"),
        (Options(agent="`@x"), "The known agents: `demo`, `codex`."),
        (Options(timeout=3601), "at most `3600s`"),
    ],
)
def test_invalid_options_open_no_task(ledger: Ledger, options: Options, expected: str) -> None:
    with pytest.raises((NotUnderstood, NotPossible), match=expected), verbs(ledger) as tasks_:
        tasks_.open(a_command("run", "tidy", options=options))

    assert no_runs(ledger)


@pytest.mark.parametrize(
    ("change", "options", "expected"),
    [
        (a_change(same_repository=False, is_open=False), Options(), "is closed or merged"),
        (a_change(same_repository=False), Options(base="main"), "`--base` is for issues"),
        (a_change(same_repository=False), Options(here=True), "I never push to a fork"),
        (a_change(head_branch="main"), Options(here=True), "default branch, to which I never push"),
        (a_change(is_open=False), Options(), "is closed"),
        (a_change(), Options(base="main"), "`--base` is for issues"),
        (None, Options(here=True), "an issue has no branch"),
    ],
)
def test_a_command_that_does_not_fit_the_change_opens_no_task(
    ledger: Ledger, change: object, options: Options, expected: str
) -> None:
    command = a_command("run", "tidy", thread=CHANGE, change=change, options=options)  # type: ignore[arg-type]
    with pytest.raises(NotPossible, match=expected), verbs(ledger) as tasks_:
        tasks_.open(command)

    assert no_runs(ledger)


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


def test_cancel_of_a_queued_run_ends_it_and_updates_its_comment_and_status(say: Say) -> None:
    say("/run tidy", thread=CHANGE, change=a_change())
    say("/cancel", thread=CHANGE)

    task, run = say.newest(CHANGE)
    with say.ledger.read() as tx:
        (progress,) = outbox.of_subject(tx, run.id, Outgoing.PROGRESS)
        (status,) = outbox.of_subject(tx, run.id, Outgoing.STATUS)
    assert (task.state, run.state, run.outcome) == ("cancelled", "cancelled", Outcome.CANCELLED)
    assert progress.content == {"text": f"Task `{task.id}`, run 1: cancelled before it began."}
    assert (status.target, status.content["verdict"]) == (HEAD, "failure")


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


@pytest.mark.parametrize("text", ["", "abc1234", HELD, f"`{HELD}`", "ABC1234", "abc1234 looks good"])
def test_approve_queues_a_push_of_the_commit_that_awaits_approval(say: Say, text: str) -> None:
    say("/run tidy")
    say.worked(Outcome.HELD, *WORKED, checked_head=HELD)

    say(f"/approve {text}")

    task, run = say.newest()
    assert (task.state, task.approved_head) == ("queued", HELD)
    assert (run.number, run.first_phase, run.request, run.host) == (2, Phase.PUSH, "tidy", "h1")


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("abc1235", NotPossible),
        ("abc123", NotUnderstood),
        ("looks good", NotUnderstood),
        (HELD + "5", NotPossible),
    ],
)
def test_approve_of_another_commit_approves_nothing(say: Say, text: str, error: type[Exception]) -> None:
    say("/run tidy")
    say.worked(Outcome.HELD, *WORKED, checked_head=HELD)

    with pytest.raises(error):
        say(f"/approve {text}")

    task, run = say.newest()
    assert (task.state, task.approved_head, run.number) == ("waiting", "", 1)


def test_the_long_form_of_approve_is_suggested_on_gitlab(say: Say) -> None:
    on_gitlab = replace(ISSUE, forge="gitlab")
    say("/run tidy", thread=on_gitlab)
    say.worked(Outcome.HELD, *WORKED, thread=on_gitlab, checked_head=HELD)

    with pytest.raises(NotUnderstood, match=f"`/forgehand approve {HELD[:12]}`"):
        say("/approve abc", thread=on_gitlab)
    with pytest.raises(NotPossible, match="`/forgehand approve` pushes it"):
        say("/resume", thread=on_gitlab)


@pytest.mark.parametrize("outcome", [Outcome.QUESTION, Outcome.PUSHED, Outcome.PUSH_REJECTED])
def test_approve_is_refused_if_nothing_awaits_approval(say: Say, outcome: Outcome) -> None:
    say("/run tidy")
    task = say.worked(outcome, *WORKED, checked_head=HELD)

    with pytest.raises(NotPossible, match="awaits approval"):
        say("/approve")
    with pytest.raises(NotPossible, match=f"Task `{task.id}` is {task.state}"):
        say(f"/approve --task {task.id}")

    assert say.newest()[0].approved_head == ""


def test_a_cancelled_approval_is_resumed_as_a_push(say: Say) -> None:
    say("/run tidy")
    say.worked(Outcome.HELD, *WORKED, checked_head=HELD)
    say("/approve")
    say("/cancel")

    say("/resume")

    assert say.newest()[1].first_phase is Phase.PUSH


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
    assert (task.agent, task.change, task.base) == ("codex", "ready", "lexer")
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
    assert (task.change, run.reply_target.internal) == (old.change, True)
    assert "tidy" not in task.branch


def test_an_internal_retry_of_a_public_request_opens_no_change(say: Say) -> None:
    say("/run tidy it")
    say.worked(Outcome.AGENT_FAILED)

    say("/retry", internal=True)

    assert say.newest()[0].change == "none"


def no_runs(ledger: Ledger) -> bool:
    with ledger.read() as tx:
        return tx.execute(select(runs_table)).first() is None


def test_a_repository_can_have_its_own_wall_limit(ledger: Ledger) -> None:
    own = replace(DEFAULTS, wall_limits={"acme/anvil": 7200})
    moved = replace(ISSUE, path="Acme/Anvil")
    with ledger.write() as tx:
        tasks_ = Tasks(tx=tx, defaults=own, help=(), patch_url=patch_url)
        queued = tasks_.open(a_command("run", "tidy it", thread=moved))
        with pytest.raises(NotPossible, match="at most `7200s` here"):
            tasks_.open(a_command("run", "tidy it", thread=moved, options=Options(timeout=7201)))

    assert queued.run.wall_limit == 7200


def test_a_resume_gets_at_most_the_current_wall_limit(ledger: Ledger, say: Say) -> None:
    say("/run tidy it")
    say.worked(Outcome.TIMED_OUT, *WORKED)

    with ledger.write() as tx:
        shorter = replace(DEFAULTS, wall_limit=600)
        queued = Tasks(tx=tx, defaults=shorter, help=(), patch_url=patch_url).resume(a_command("resume"))

    assert queued.run.wall_limit == 600
