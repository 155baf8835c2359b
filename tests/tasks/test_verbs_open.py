"""A new task: its first run, its options and its base."""

from dataclasses import replace

import pytest
from sqlalchemy import select

from bot.domain.command import Options
from bot.domain.errors import NotPossible, NotUnderstood
from bot.domain.lifecycle import Phase
from bot.store.ledger import Ledger
from bot.store.schema import runs as runs_table
from bot.tasks.verbs import Tasks
from tests.support.commander import ANN, CHANGE, DEFAULTS, HEAD, ISSUE, a_change, a_command, patch_url
from tests.tasks.verb_calls import verbs


def test_a_new_task_has_its_first_run_queued(ledger: Ledger) -> None:
    with verbs(ledger) as tasks_:
        queued = tasks_.open(a_command("run", "tidy it"))

    task, run = queued.task, queued.run
    assert (task.state, task.agent, task.change_form, task.base, task.pinned) == (
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
    assert (task.agent, task.base, task.change_form) == ("codex", "release", "none")
    assert queued.run.wall_limit == 60


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
    assert task.change_form == "none"


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
        (Options(timeout=3601), "at most `1h`"),
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


def no_runs(ledger: Ledger) -> bool:
    with ledger.read() as tx:
        return tx.execute(select(runs_table)).first() is None


def test_a_repository_can_have_its_own_wall_limit(ledger: Ledger) -> None:
    own = replace(DEFAULTS, wall_limits={"acme/anvil": 7200})
    moved = replace(ISSUE, path="Acme/Anvil")
    with ledger.write() as tx:
        tasks_ = Tasks(tx=tx, defaults=own, help=(), patch_url=patch_url)
        queued = tasks_.open(a_command("run", "tidy it", thread=moved))
        with pytest.raises(NotPossible, match="at most `2h` here"):
            tasks_.open(a_command("run", "tidy it", thread=moved, options=Options(timeout=7201)))

    assert queued.run.wall_limit == 7200
