"""`/help` and `/status`, a run queued behind another run of its thread, and the options of `/run`."""

import re
from urllib.parse import quote

import pytest

from bot.domain.outcomes import Outcome
from bot.reports.command_syntax import for_forge
from handlers import router
from tests.journeys.world import HOLD, World, shell
from tests.support.waiting import eventually

pytestmark = pytest.mark.alike

CHANGE = shell("echo one > one.txt")


def test_a_second_run_of_a_thread_is_queued_with_its_position_and_then_runs(full: World) -> None:
    full.start()
    full.say(1, "/help")
    answer = full.wait_for_comment(1, "A command stands at the start of a line")
    assert all(
        f"`{for_forge(route.usage, full.playground.forge)}`" in answer for route in router.routes.values()
    )
    full.say(1, "/rnu tidy it")
    full.say(1, "@forgehand rnu tidy it")
    full.wait_for_comment(1, "Did you mean `/run`?")
    full.say(1, "/forgehand run " + shell(f"echo one > one.txt; {HOLD}"))
    first = full.until_running()

    full.say(1, "@forgehand run " + CHANGE)

    second = eventually(lambda: full.tasks()[:-1])[0]
    full.wait_for_comment(1, f"Task `{second.id}` is next in the queue.")
    full.say(1, "/status")
    status = full.wait_for_comment(1, f"**Task `{second.id}`**, run 1: next in the queue.")
    assert f"**Task `{first.task}`**, run 1: running, in phase agent." in status
    assert full.runs(second)[0].started_at is None
    full.let_continue(first)
    _, ran = full.task_after_run(1)
    [before] = full.runs(full.tasks()[1])
    assert (before.outcome, ran.task, ran.outcome) == (Outcome.PUSHED, second.id, Outcome.PUSHED), ran.reason
    assert before.ended_at is not None
    assert ran.started_at is not None
    assert ran.started_at >= before.ended_at
    full.settled()
    assert sum("Did you mean" in body for body in full.bot_comments(1)) == 1


@pytest.mark.long  # the publisher has quick tests of each form
def test_the_option_pr_decides_whether_a_change_is_opened_or_linked(full: World) -> None:
    full.settings["limits"] = {"per_repository": 3, "per_host": 3}
    full.start()
    full.say(1, "/run --pr merge " + CHANGE)
    full.wait_for_comment(1, "`--pr` must be one of `draft`, `ready`, `link`, `none`.")
    full.say(1, "/run --prr none " + CHANGE)
    full.wait_for_comment(1, "Did you mean `--pr`?")
    threads = {choice: full.playground.open_issue(choice) for choice in ("none", "link", "ready")}

    for choice, thread in threads.items():
        full.say(thread, f"/run --pr {choice} {CHANGE}")

    finals = {}
    for choice, thread in threads.items():
        task, run = full.task_after_run(1, on=thread)
        assert run.outcome is Outcome.PUSHED, run.reason
        assert full.playground.branch_head(task.branch) == task.pushed_head
        finals[choice] = full.final_comment(thread, run)
    [pull] = full.playground.pulls()
    assert (pull["title"], pull["draft"]) == ("ready", False)
    assert f"[{full.mark}{pull['number']}]" in finals["ready"]
    [task] = full.tasks(threads["link"])
    assert "[Open a change from it](" in finals["link"]
    link = re.search(r"\[Open a change from it\]\((.*?)\)", finals["link"])
    assert link
    assert quote(task.branch) in link[1]
    assert "Open a change" not in finals["none"] + finals["ready"]
