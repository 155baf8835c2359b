"""The results of a comment: a branch, a pull request, a final comment and a status."""

import time

import pytest

from bot.domain.lifecycle import State
from bot.domain.outcomes import Outcome
from tests.journeys.world import Figures, World, shell
from tests.support.waiting import eventually

CHANGE = "echo tidy >> parser.py; git add parser.py; git commit -qm 'tidy the parser'; echo more > left.txt"


def test_a_comment_becomes_a_pushed_branch_and_is_answered(either: World, figures: Figures) -> None:
    either.start()
    said = time.monotonic()

    comment = either.say(1, "/run " + shell(CHANGE))

    eventually(lambda: "eyes" in either.playground.reactions(comment))
    figures("eyes after the comment", time.monotonic() - said, promised=1)
    task, run = either.task_after_run(1)
    assert (run.outcome, task.state) == (Outcome.PUSHED, State.SUCCEEDED), run.reason
    assert task.thread.repository_url == either.playground.html_url
    final = either.final_comment(1, run)
    assert task.branch in final
    assert "\u2705 **" in final
    assert "/resume" in final
    head = either.playground.branch_head(task.branch)
    assert head == task.pushed_head
    pull = either.playground.pulls()[0]
    assert pull["draft"]
    assert pull["head"]["sha"] == head
    assert f"[{either.mark}{pull['number']}](" in final
    statuses = eventually(lambda: either.playground.statuses(head or ""))
    assert [(each["context"], each["state"]) for each in statuses] == [("forgehand", "success")]
    assert f"/tasks/{task.id}" in statuses[0]["target_url"]


@pytest.mark.alike
def test_the_pushed_commits_have_the_trees_of_the_agent_and_the_bot_as_author(either: World) -> None:
    either.start()

    either.say(1, "/run " + shell(CHANGE))

    task, _run = either.task_after_run(1)
    log = either.git(
        "log",
        "--format=%an <%ae>|%cn|%s|%(trailers:key=Co-authored-by,valueonly)",
        f"origin/main..origin/{task.branch}",
    )
    rows = [line.split("|") for line in log.splitlines() if line]
    assert len(rows) == 2
    assert {row[0].split(" <")[0] for row in rows} == {row[1] for row in rows} == {"Forgehand"}
    assert all(row[3].startswith("ann <") for row in rows)
    assert rows[1][2] == "tidy the parser"
    assert either.git("show", f"origin/{task.branch}:left.txt") == "more"
    assert either.git("show", f"origin/{task.branch}~1:parser.py").endswith("tidy")
