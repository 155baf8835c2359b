"""Pull requests from forks: a run needs a member's command and a pinned commit, and never pushes there."""

import tempfile
from pathlib import Path

import pytest

from bot.domain.lifecycle import State
from bot.domain.outcomes import Outcome
from bot.domain.task import Run
from bot.store import outbox
from tests.journeys.world import HOLD, World, shell
from tests.support import playground_clones

pytestmark = pytest.mark.alike

FIX = f"""
test "$FORGEHAND_BASE" = main
test "$(git rev-parse HEAD)" = "$(git rev-parse origin/change-$1)"
grep -q hers notes.txt
{HOLD}
echo fixed > fixed.txt
"""


def from_a_fork(world: World) -> tuple[int, str, str]:
    """Open a change from Zoe's fork; Zoe is not a member. Return its number, its head and the fork's path."""
    path = world.playground.fork("zoe")
    head = playground_clones.push_commit(world.playground, "patch", "hers\n", path=path, as_="zoe")
    return world.playground.open_pull("Add notes", head="zoe:patch", as_="zoe"), head, path


def offer(world: World, path: str, file: str) -> None:
    """Push one commit that adds `file` to the branch `patch` of Zoe's fork."""
    folder = Path(tempfile.mkdtemp(dir=world.folder))
    playground_clones.clone(world.playground, folder, path=path)
    (folder / file).parent.mkdir(parents=True, exist_ok=True)
    (folder / file).write_text("hers\n")
    playground_clones.commit(folder)
    done = playground_clones.push(folder, world.playground, "patch", path=path, as_="zoe")
    assert done.returncode == 0, done.stderr


def branches(world: World, path: str) -> dict[str, str]:
    """Return the branches of the repository at this path, with their commits."""
    listed = playground_clones.git("ls-remote", "--heads", f"{world.playground.url}/{path}.git").stdout
    return {ref.removeprefix("refs/heads/"): sha for sha, ref in map(str.split, listed.splitlines())}


def assert_status_was_tried(world: World, run: Run, head: str) -> None:
    """Check that a commit status was sent.

    On GitHub it belongs to the target repository. On GitLab it belongs to the fork, which refuses
    it.
    """
    with world.ledger.read() as tx:
        refused = [kind for kind, _ in outbox.refusals(tx, run.id)]
    if world.playground.forge == "github":
        assert (world.playground.statuses(head)[0]["state"], refused) == ("success", [])
    else:
        assert refused == ["status"]


def test_a_command_of_a_member_starts_a_run_at_the_pinned_commit_and_never_pushes_to_the_fork(
    embedded: World,
) -> None:
    embedded.start()
    change, head, path = from_a_fork(embedded)

    embedded.say(change, "/run " + shell("true"), as_="zoe")
    embedded.wait_for_comment(change, "Only people who may write to this repository")
    assert embedded.tasks() == []
    embedded.say(change, "/run " + shell(f"set -- {change}\n{FIX}"))

    running = embedded.until_running()
    assert head[:10] in embedded.wait_for_comment(change, "later pushes to this change are not part of it")
    later = playground_clones.push_commit(
        embedded.playground, "patch", "hers, and more\n", onto="patch", path=path, as_="zoe"
    )
    before = branches(embedded, path)
    embedded.let_continue(running)
    task, run = embedded.task_after_run(1)
    assert (run.outcome, task.state, task.fork) == (Outcome.PUSHED, State.SUCCEEDED, True), run.reason
    embedded.final_comment(change, run)
    embedded.settled()
    assert embedded.git("rev-list", f"{head}..origin/{task.branch}") == task.pushed_head
    pull = embedded.playground.pulls()[0]
    assert (pull["head"]["ref"], pull["base"]["ref"]) == (task.branch, "main")
    assert branches(embedded, path) == before
    assert before["patch"] == later
    assert_status_was_tried(embedded, run, head)
    assert embedded.playground.statuses(later) == []

    embedded.say(change, "/resume " + shell(f"test $(git rev-parse origin/change-{change}) = {head}"))

    _, again = embedded.task_after_run(2)
    assert again.outcome is Outcome.NO_CHANGES, again.reason


def test_changes_of_a_fork_to_protected_paths_wait_for_approval(embedded: World) -> None:
    embedded.start()
    path = embedded.playground.fork("zoe")
    offer(embedded, path, ".github/workflows/ci.yml")
    change = embedded.playground.open_pull("Add CI", head="zoe:patch", as_="zoe")

    embedded.say(change, "/run " + shell("echo fixed > fixed.txt"))

    task, run = embedded.task_after_run(1)
    assert (run.outcome, run.reason) == (Outcome.HELD, "`.github/workflows/ci.yml`")
    assert embedded.playground.branch_head(task.branch) is None
    embedded.say(change, f"/forgehand approve {task.checked_head}")
    task, run = embedded.task_after_run(2)
    assert run.outcome is Outcome.PUSHED, run.reason
    assert embedded.playground.branch_head(task.branch) == task.pushed_head


def test_a_merged_change_gets_no_more_runs_but_its_thread_is_still_answered(embedded: World) -> None:
    embedded.start()
    change, _, _ = from_a_fork(embedded)
    embedded.playground.merge(change)

    embedded.say(change, "/run tidy it")
    embedded.wait_for_comment(change, "This change is closed or merged.")
    embedded.say(change, "/status")

    embedded.wait_for_comment(change, "There is no task on this thread.")
    assert embedded.tasks() == []


OBEDIENT = """
cat CLAUDE.md
test ! -e AGENTS.md
test -z "$(git status --porcelain)"
echo fixed > fixed.txt
echo evil > AGENTS.md
echo evil > CLAUDE.md
git add -fA
git commit -qm "Fix it"
"""


def test_instruction_files_of_a_fork_are_not_in_the_workspace_and_are_not_changed(embedded: World) -> None:
    embedded.start()
    embedded.push("main", "CLAUDE.md")
    path = embedded.playground.fork("zoe")
    offer(embedded, path, "AGENTS.md")
    change = embedded.playground.open_pull("Add words", head="zoe:patch", as_="zoe")

    embedded.say(change, "/run " + shell(OBEDIENT))

    task, run = embedded.task_after_run(1)
    assert (run.outcome, run.reason) == (Outcome.HELD, "`AGENTS.md`")  # the fork's file
    embedded.say(change, f"/forgehand approve {task.checked_head}")
    task, run = embedded.task_after_run(2)
    assert run.outcome is Outcome.PUSHED, run.reason
    assert embedded.git("diff", "--name-only", task.pinned, f"origin/{task.branch}") == "fixed.txt"


def test_after_a_merge_of_the_work_a_resumed_task_continues_from_the_target_branch(embedded: World) -> None:
    embedded.start()
    change, head, path = from_a_fork(embedded)
    embedded.say(change, "/run --pr ready " + shell("echo fixed > fixed.txt"))
    task, first = embedded.task_after_run(1, on=change)
    assert first.outcome is Outcome.PUSHED, first.reason
    embedded.final_comment(change, first)
    before = branches(embedded, path)
    [ours] = [pull["number"] for pull in embedded.playground.pulls() if pull["head"]["ref"] == task.branch]
    main = embedded.playground.merge(ours)

    embedded.say(change, "/resume " + shell("grep -q hers notes.txt; echo more > more.txt"))

    after, second = embedded.task_after_run(2, on=change)
    assert second.outcome is Outcome.PUSHED, second.reason
    assert (after.branch, after.base, after.base_head) == (f"{task.branch}-2", "main", main)
    assert embedded.git("diff", "--name-only", main, f"origin/{after.branch}").split() == ["more.txt"]
    assert branches(embedded, path) == before
    assert head in embedded.git("rev-list", f"origin/{after.branch}")
