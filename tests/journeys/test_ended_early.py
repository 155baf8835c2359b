"""Runs that end before the agent reports its end, and an agent that asks a question."""

import pytest

from bot.domain.lifecycle import State
from bot.domain.outcomes import Outcome
from tests.journeys.world import World, shell
from tests.support.out_of_memory import GREEDY

pytestmark = pytest.mark.alike

SLOW = """
test -z "$FORGEHAND_RESUME" || { test -e left.txt; exit 0; }
echo left > left.txt
sleep 60
"""
ASKS = """
if [ -n "$FORGEHAND_RESUME" ]; then
    grep -q 'paint it blue' /task/prompt.md
    test ! -e /task/out/question.md
    echo blue >> colour.txt
else
    echo unknown > colour.txt
    echo 'Which colour?' > /task/out/question.md
fi
"""


# The default limit takes the same way, and longer.
@pytest.mark.parametrize(("limit", "option"), [(5, "--timeout 5s"), (8, "")])
@pytest.mark.long  # tests/runs/phases/test_agent_limits.py has each limit
def test_the_wall_limit_and_a_shorter_timeout_end_a_run(full: World, limit: int, option: str) -> None:
    full.settings["sandbox"]["wall_limit"] = "8s"
    full.start()
    full.say(1, "/run --timeout 1h " + shell(SLOW))
    full.wait_for_comment(1, "`--timeout` is at most `8s` here.")

    full.say(1, f"/run {option} " + shell(SLOW))

    task, run = full.task_after_run(1)
    assert (run.outcome, task.state, run.wall_limit) == (Outcome.TIMED_OUT, State.FAILED, limit)
    final = full.final_comment(1, run)
    assert "**Stopped: the agent ran out of time**" in final
    assert f"It did not end within {limit} s." in final
    assert "`/resume`" in final
    assert full.playground.branch_head(task.branch) is None
    assert full.quarantine(task, "show", f"refs/wip/{task.id}-1:left.txt") == "left"
    full.say(1, "/resume --timeout 7s")
    task, run = full.task_after_run(2)
    assert (run.outcome, run.wall_limit) == (Outcome.PUSHED, 7), run.reason


def test_a_run_that_needs_too_much_memory_is_reported(full: World) -> None:
    full.settings["sandbox"]["memory"] = "64m"
    full.start()

    full.say(1, "/run " + shell(f"echo left > left.txt; {GREEDY}"))

    task, run = full.task_after_run(1)
    assert (run.outcome, task.state) == (Outcome.OUT_OF_MEMORY, State.FAILED), run.reason
    final = full.final_comment(1, run)
    assert "**The agent ran out of memory**" in final
    assert "It needed more than its 64m of memory." in final
    assert full.playground.branch_head(task.branch) is None
    assert full.quarantine(task, "show", f"refs/wip/{run.id}:left.txt") == "left"


def test_a_question_of_an_agent_is_answered_with_resume(full: World) -> None:
    full.start()
    full.say(1, "/run " + shell(ASKS))

    task, first = full.task_after_run(1)

    assert (first.outcome, task.state) == (Outcome.QUESTION, State.WAITING), first.reason
    final = full.final_comment(1, first)
    assert "Which colour?" in final
    assert "`/resume <your answer>`" in final
    assert full.playground.branch_head(task.branch) is None
    full.say(1, "/resume")
    full.wait_for_comment(
        1, f"The agent of task `{task.id}` asked a question. Answer it with `/resume <your answer>`."
    )

    full.say(1, "/resume paint it blue " + shell(ASKS))

    task, second = full.task_after_run(2)
    assert (second.outcome, task.state) == (Outcome.PUSHED, State.SUCCEEDED), second.reason
    assert full.git("show", f"origin/{task.branch}:colour.txt") == "unknown\nblue"
