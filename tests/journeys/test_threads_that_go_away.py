"""Runs whose thread, repository or permission disappears before they end."""

from collections.abc import Callable

import pytest
from sqlalchemy import select

from bot.domain.outcomes import Outcome
from bot.store import outbox, schema
from tests.journeys.world import HOLD, World, shell
from tests.support.playground_gitlab import AnyPlayground
from tests.support.waiting import eventually

pytestmark = pytest.mark.alike

WORK = f"echo one > one.txt\n{HOLD}"


def refused_after_all_tries(world: World, run: str) -> dict[str, str]:
    """Return the refused comments of this run, by kind, when no retry is left."""

    def is_quiet() -> bool:
        waiting = select(schema.outbox.c.kind).where(schema.outbox.c.due_at.is_not(None))
        with world.ledger.read() as tx:
            return not tx.execute(waiting).all()

    eventually(is_quiet)
    return refused(world, run)


def refused(world: World, run: str) -> dict[str, str]:
    """Return the comments that the forge has refused for this run so far, by kind."""
    with world.ledger.read() as tx:
        return {str(kind): words for kind, words in outbox.refusals(tx, run)}


def lock(playground: AnyPlayground) -> None:
    playground.lock(1)


def delete(playground: AnyPlayground) -> None:
    playground.delete_issue(1)


def transfer(playground: AnyPlayground) -> None:
    playground.transfer(1, playground.fork("ann"))


LONG = pytest.mark.long


@pytest.mark.parametrize("goes", [lock, pytest.param(delete, marks=LONG), pytest.param(transfer, marks=LONG)])
def test_the_work_is_pushed_and_refused_comments_are_recorded(
    embedded: World, goes: Callable[[AnyPlayground], None]
) -> None:
    embedded.start()
    embedded.say(1, "/run " + shell(WORK))
    running = embedded.until_running()
    eventually(lambda: embedded.bot_comments(1))
    goes(embedded.playground)
    embedded.let_continue(running)

    task, run = embedded.task_after_run(1)

    assert run.outcome is Outcome.PUSHED, run.reason
    if embedded.playground.forge == "gitlab" and goes is not delete:  # members may still comment there
        assert refused_after_all_tries(embedded, run.id) == {}
        embedded.final_comment(1, run)
    else:
        eventually(lambda: "final" in refused(embedded, run.id))
    assert embedded.playground.branch_head(task.branch) == task.pushed_head


def test_work_for_an_archived_repository_is_rejected_and_stays_in_the_quarantine(embedded: World) -> None:
    embedded.start()
    embedded.say(1, "/run " + shell(WORK))
    running = embedded.until_running()
    embedded.playground.archive()
    embedded.let_continue(running)

    task, run = embedded.task_after_run(1)

    assert run.outcome is Outcome.PUSH_REJECTED
    assert "archived" in run.reason
    eventually(lambda: "final" in refused(embedded, run.id))
    assert embedded.playground.branch_head(task.branch) is None
    assert embedded.quarantine(task, "cat-file", "blob", f"{task.checked_head}:one.txt") == "one"


def test_the_work_of_a_requester_who_lost_write_access_is_not_pushed(embedded: World) -> None:
    embedded.start()
    embedded.playground.add_user("zoe")
    embedded.playground.set_permission("zoe", "push")
    embedded.say(1, "/run " + shell(WORK), as_="zoe")
    running = embedded.until_running()
    embedded.playground.remove_collaborator("zoe")
    embedded.let_continue(running)

    task, run = embedded.task_after_run(1)

    assert run.outcome is Outcome.PUSH_REJECTED
    assert "zoe may not write to this repository any more." in embedded.final_comment(1, run)
    assert embedded.playground.branch_head(task.branch) is None
    embedded.say(1, "/resume")
    task, run = embedded.task_after_run(2)
    assert run.outcome is Outcome.PUSHED, run.reason
    assert embedded.playground.branch_head(task.branch) == task.pushed_head


@pytest.mark.long  # the store has quick tests of renames
def test_tasks_of_a_renamed_repository_continue(embedded: World) -> None:
    embedded.start()
    embedded.say(1, "/run " + shell(WORK))
    running = embedded.until_running()
    embedded.playground.rename("forge")
    embedded.let_continue(running)
    _, run = embedded.task_after_run(1)
    assert run.outcome is Outcome.PUSHED, run.reason
    embedded.final_comment(1, run)

    embedded.say(1, "/resume " + shell("test -e one.txt; echo two > two.txt"))

    task, run = embedded.task_after_run(2)
    assert run.outcome is Outcome.PUSHED, run.reason
    assert task.thread.repository_url == embedded.playground.html_url
    assert embedded.playground.branch_head(task.branch) == task.pushed_head
    embedded.final_comment(1, run)

    embedded.playground.rename("smithy")  # no delivery reports it
    embedded.forgehand("resume", task.id, shell("echo three > three.txt"))

    task, run = embedded.task_after_run(3)
    assert run.outcome is Outcome.PUSHED, run.reason
    assert task.thread.repository_url == embedded.playground.html_url
    embedded.final_comment(1, run)


def test_a_token_replaced_during_a_run_needs_no_restart(embedded: World) -> None:
    embedded.settings[embedded.playground.forge] |= {"token": ""}
    file = embedded.folder / "token"
    file.write_text(f"{embedded.playground.token}\n")
    embedded.start(**{f"FORGEHAND_{embedded.playground.forge.upper()}__TOKEN_FILE": str(file)})
    embedded.say(1, "/run " + shell(WORK))
    running = embedded.until_running()
    file.write_text(embedded.playground.new_token(embedded.playground.bot_name))
    embedded.let_continue(running)

    task, run = embedded.task_after_run(1)

    assert run.outcome is Outcome.PUSHED, run.reason
    assert embedded.playground.branch_head(task.branch) == task.pushed_head
    embedded.final_comment(1, run)
    embedded.say(1, "/status")
    embedded.wait_for_comment(1, "Pushed. Branch")
