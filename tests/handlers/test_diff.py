"""`/diff`, before, during and after runs that change something."""

from dataclasses import replace

import pytest

from bot.domain.errors import NotPossible
from bot.domain.lifecycle import Phase
from bot.domain.outcomes import Outcome
from bot.store import patches
from tests.support.commander import HEAD, ISSUE, Say, begin_run, remove_workspace

PATCH = b" 1 file changed, 1 insertion(+)\n\ndiff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -0,0 +1 @@\n+one\n"
WORKED = (Phase.AGENT, Phase.EXPORT)


def patched(say: Say, text: bytes, size: int = 0) -> str:
    """End the newest run with this patch, and return the id of its task."""
    say.worked(Outcome.AGENT_FAILED, *WORKED, base_head=HEAD)
    task, run = say.newest()
    with say.ledger.write() as tx:
        patches.add(tx, run.id, text, size or len(text))
    return task.id


def test_the_last_patch_is_shown_with_a_link_to_the_whole_patch(say: Say) -> None:
    say("/run tidy it")
    task = patched(say, PATCH)

    reply = say("/diff")

    start, end = reply.split("<details>")
    assert (
        start == f"After run 1, task `{task}` has these changes since its start at commit `{HEAD[:10]}`:\n\n"
    )
    assert end.startswith("<summary>1 file, +1 -0</summary>\n\n```diff\ndiff --git")
    assert end.endswith(f"</details>\n\n[The whole patch](https://bot.example.org/tasks/{task}/patch?key=k)")


def test_a_patch_that_was_too_long_to_store_is_marked_as_cut(say: Say) -> None:
    say("/run tidy it")
    patched(say, PATCH + b"+x\n" * 170_000, 99_000_000)

    reply = say("/diff")

    assert "[The first 498 KiB of the patch](" in reply
    assert "more lines are left out here" in reply
    assert len(reply) < 62_000


def test_the_diff_of_a_run_without_changes_is_reported_as_empty(say: Say) -> None:
    say("/run tidy it")
    task = patched(say, b"")

    assert say("/diff") == (
        f"After run 1, task `{task}` has no changes since its start at commit `{HEAD[:10]}`."
    )


def test_no_changes_are_shown_before_the_first_run_has_ended(say: Say) -> None:
    say("/run tidy it")
    task, run = say.newest()

    with pytest.raises(
        NotPossible, match=f"Run 1 of task `{task.id}` is queued, next in the queue.* has no changes to show"
    ):
        say("/diff")
    with say.ledger.write() as tx:
        begin_run(tx, run)
    with pytest.raises(NotPossible, match=f"Run 1 of task `{task.id}` is running. Its changes are shown"):
        say("/diff")


def test_the_patch_of_the_previous_run_is_shown_during_a_run(say: Say) -> None:
    say("/run tidy it")
    task = patched(say, PATCH)
    say("/resume")
    run = say.newest()[1]
    with say.ledger.write() as tx:
        begin_run(tx, run)

    reply = say("/diff")

    assert reply.startswith(
        f"Run 2 of task `{task}` is running. Its changes are shown when it has ended.\n\n"
    )
    assert f"After run 1, task `{task}` has these changes" in reply


def test_a_run_whose_work_could_not_be_exported_is_named(say: Say) -> None:
    say("/run tidy it")
    task = patched(say, PATCH)
    say("/resume")
    say.worked(Outcome.EXPORT_REFUSED, *WORKED)

    reply = say("/diff")

    assert reply.startswith(
        f"The work of run 2 of task `{task}` could not be exported from its workspace.\n\n"
    )
    assert f"After run 1, task `{task}` has these changes" in reply


def test_a_run_that_was_cancelled_before_its_export_is_named(say: Say) -> None:
    say("/run tidy it")
    task = patched(say, PATCH)
    say("/resume")
    say.worked(Outcome.CANCELLED, *WORKED)

    reply = say("/diff")

    assert reply.startswith(
        f"Run 2 of task `{task}` was cancelled. Its work has not been taken out of the workspace yet, "
        "and stays there. `/resume` continues it.\n\n"
    )
    assert f"After run 1, task `{task}` has these changes" in reply


def test_the_diff_mentions_that_the_workspace_was_removed_since(say: Say) -> None:
    say("/run tidy it")
    patched(say, PATCH)
    task = say.newest()[0]
    with say.ledger.write() as tx:
        remove_workspace(tx, task)

    assert "has been removed since." in say("/diff")


def test_an_older_task_is_shown_by_its_id(say: Say) -> None:
    say("/run tidy it")
    old = patched(say, PATCH)
    say("/run another")

    assert f"After run 1, task `{old}` has these changes" in say(f"/diff --task {old}")


def test_the_changes_of_an_internal_request_are_shown_to_members_only(say: Say) -> None:
    say("/run tidy it", internal=True)
    patched(say, PATCH)

    assert "<details>" in say("/diff", internal=True)
    with pytest.raises(NotPossible, match="only members can read"):
        say("/diff")


def test_run_is_suggested_on_a_thread_without_a_task(say: Say) -> None:
    with pytest.raises(NotPossible, match="Start with `/run`"):
        say("/diff", thread=replace(ISSUE, number=99))
