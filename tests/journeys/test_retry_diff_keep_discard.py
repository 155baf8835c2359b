"""`/diff`, `/keep`, `/retry` and `/discard`, one after the other on one thread."""

import re
import time

import pytest

from bot.domain.lifecycle import State
from bot.domain.outcomes import Outcome
from bot.domain.task import Run, Task
from bot.store import workspaces
from bot.store.workspaces import WorkspaceRow
from tests.journeys.world import HOLD, World, shell
from tests.support import http
from tests.support.waiting import eventually

pytestmark = pytest.mark.alike

WORK = f"""
test ! -e "$HOME/notes"
echo committed > one.txt; git add one.txt; git commit -qm one
printf 'see:\\n```\\n/approve\\n' > two.md
touch "$HOME/notes"
{HOLD}
"""


def test_unpushed_work_can_be_shown_kept_retried_and_discarded(full: World) -> None:
    full.start()
    old, first = cancelled(full)

    full.say(1, "/diff")

    check_diff(full)

    full.say(1, "/keep 30")

    full.wait_for_comment(1, f"The workspace of task `{old.id}` is kept until ")
    assert 29.9 < (_workspace_row(full, old.id).keep_until or 0) / 86400 - time.time() / 86400 < 30.1

    full.say(1, "/retry")

    eventually(lambda: full.tasks()[1:])
    full.let_continue(full.until_running())
    task, run = full.task_after_run(1)
    assert (run.outcome, task.state) == (Outcome.PUSHED, State.SUCCEEDED), run.reason
    assert task.id != old.id
    assert run.request == first.request
    assert full.git("show", f"origin/{task.branch}:one.txt") == "committed"
    assert full.playground.branch_head(old.branch) is None
    assert (full.in_workspace(old) / "home" / "notes").exists()

    full.say(1, "/discard")

    said = full.wait_for_comment(1, f"The workspace of task `{task.id}` is being removed")
    assert f"These stay: branch `{task.branch}` at `{task.pushed_head[:10]}`." in said
    eventually(lambda: not full.in_workspace(task).exists())
    assert full.playground.branch_head(task.branch) == task.pushed_head
    assert full.in_workspace(old).exists()
    full.settled()
    assert len(full.tasks()) == 2


def cancelled(full: World) -> tuple[Task, Run]:
    """Cancel a task after its agent has done its work. Before that there is no diff."""
    full.say(1, "/run " + shell(WORK))
    running = full.until_running()
    eventually((full.in_workspace(full.tasks()[0]) / "home" / "notes").exists)
    full.say(1, "/diff")
    full.wait_for_comment(
        1, f"Run 1 of task `{running.task}` is running. Its changes are shown when it has ended."
    )
    full.say(1, "/cancel")
    task, run = full.task_after_run(1)
    assert run.outcome is Outcome.CANCELLED
    return task, run


def check_diff(full: World) -> None:
    """Check that the whole diff is shown: on the thread without active commands, and on the linked page."""
    shown = full.wait_for_comment(1, "<details><summary>2 files, +4 -0</summary>")
    assert "\n\n````diff\ndiff --git a/one.txt b/one.txt\n" in shown
    assert "\n+```\n+/approve\n````\n\n</details>" in shown
    [link] = re.findall(r"\[The whole patch\]\((\S+)\)", shown)
    patch = http.get(link)
    assert patch.headers["content-type"] == "text/plain; charset=utf-8"
    assert "\n+see:\n+```\n+/approve\n" in patch.text
    assert http.get(link[:-1]).status_code == 404


def _workspace_row(world: World, task: str) -> WorkspaceRow:
    with world.ledger.read() as tx:
        found = workspaces.get(tx, task)
    assert found is not None
    return found
