"""A label that was added while the bot was down, without a delivery: the bot finds it and starts a run."""

import time

import pytest

from bot.domain.lifecycle import State
from bot.domain.outcomes import Outcome
from tests.journeys.world import World, shell
from tests.support.waiting import eventually

pytestmark = pytest.mark.alike

# `forgehand up` that soon regards a delivery as lost. The composition root is called directly, because no
# setting changes that.
SOON = """
import pathlib, sys
from bot.app import processes
from bot.app.settings.settings import load
processes.up(load(pathlib.Path(sys.argv[-1])), print, missed_after=1.0)
"""


@pytest.mark.long  # tests/commands/test_label_scan.py has each case
def test_a_label_with_a_lost_delivery_starts_a_run_unless_the_thread_was_edited_later(full: World) -> None:
    full.start()
    full.say(1, "/status")  # from now on the bot knows the repository
    full.wait_for_comment(1, "There is no task on this thread")
    full.settled()
    full.stop()
    lost = full.playground.open_issue("Write one", shell("echo one > one.txt"))
    edited = full.playground.open_issue("Write two", shell("echo two > two.txt"))
    for number in (lost, edited):
        full.playground.label(number, "forgehand")
    time.sleep(3.1)  # longer than the time in which the label itself may update the thread
    full.playground.edit_issue(edited, body=shell("exit 9"))

    full.start(program=("-c", SOON))

    task, run = full.task_after_run(1, on=lost)
    assert (run.outcome, task.state) == (Outcome.PUSHED, State.SUCCEEDED), run.reason
    assert (run.request, run.asked_by.login) == ("Do what this thread asks", "ann")
    assert full.git("show", f"origin/{task.branch}:one.txt") == "one"
    full.wait_for_comment(edited, "this thread has changed since the label was added")
    eventually(lambda: full.playground.labels(lost) == [])
    full.settled()
    assert full.playground.issue_reactions(lost) == ["eyes"]
    assert full.playground.labels(edited) == ["forgehand"]
    assert [each.id for each in full.tasks()] == [task.id]

    full.playground.unlabel(edited, "forgehand")
    full.playground.label(edited, "forgehand")

    _, second = full.task_after_run(1, on=edited)
    assert second.outcome is Outcome.AGENT_FAILED  # the request is the current text
    assert len(full.tasks()) == 2
