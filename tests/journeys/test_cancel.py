"""`/cancel` during a run, and while the run is queued."""

import time

import pytest

from bot.domain.lifecycle import State
from bot.domain.outcomes import Outcome
from tests.journeys.world import HOLD, Figures, World, shell
from tests.support.waiting import eventually

pytestmark = pytest.mark.alike

STUBBORN = f"""
test -z "$FORGEHAND_RESUME" || {{ test "$(cat left.txt)" = left; exit 0; }}
trap '' TERM
echo one > one.txt; git add one.txt; git commit -qm one
echo left > left.txt
touch "$HOME/ready"
{HOLD}
"""


def test_a_running_agent_is_stopped_and_can_be_resumed(either: World, figures: Figures) -> None:
    either.start()
    either.say(1, "/run " + shell(STUBBORN))
    running = either.until_running()
    home = either.data / "workspaces" / running.task / "home"
    eventually((home / "ready").exists)
    assert f"forgehand-{running.id}" in either.containers()
    said = time.monotonic()

    either.say(1, "/cancel")

    eventually(lambda: f"forgehand-{running.id}" not in either.containers())
    figures("container gone after /cancel", time.monotonic() - said, promised=5)
    task, first = either.task_after_run(1)
    assert (first.outcome, task.state) == (Outcome.CANCELLED, State.CANCELLED)
    final = either.final_comment(1, first)
    assert "**Cancelled**" in final
    assert "`/resume`" in final
    assert "kept until" in final
    either.wait_for_comment(1, f"Stopping task `{task.id}`")
    assert (either.in_workspace(task) / "repo" / "left.txt").exists()
    assert either.quarantine(task, "show", f"refs/wip/{first.id}:left.txt") == "left"
    assert either.playground.branch_head(task.branch) is None

    either.say(1, "/resume")

    task, second = either.task_after_run(2)
    assert (second.outcome, task.state) == (Outcome.PUSHED, State.SUCCEEDED), second.reason
    assert either.git("show", f"origin/{task.branch}:left.txt") == "left"
    assert either.git("show", f"origin/{task.branch}~1:one.txt") == "one"


def test_a_cancelled_queued_run_never_starts(either: World) -> None:
    either.start()
    either.say(1, "/run " + shell(f"echo one > one.txt; {HOLD}"))
    first = either.until_running()
    either.say(1, "/run " + shell("echo never > never.txt"))
    second = eventually(lambda: either.tasks()[:-1])[0]
    either.wait_for_comment(1, f"Task `{second.id}` is next in the queue.")

    either.say(1, "/cancel")

    task, waited = either.task_after_run(1)
    assert (waited.outcome, task.state) == (Outcome.CANCELLED, State.CANCELLED)
    assert task.id == second.id
    either.wait_for_comment(1, f"Task `{task.id}` is cancelled; its run had not started.")
    either.let_continue(first)
    [ended] = eventually(lambda: [run for run in either.runs(either.tasks()[1]) if run.ended_at])
    assert ended.outcome is Outcome.PUSHED, ended.reason
    either.final_comment(1, ended)
    [waited] = either.runs(task)
    assert (waited.started_at, waited.epoch, either.phases(waited)) == (None, 0, [])
    assert not either.in_workspace(task).exists()
