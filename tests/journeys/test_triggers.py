"""All triggers other than a plain comment: each leads to the same run and is answered in the same place."""

import pytest

from bot.domain.lifecycle import State
from bot.domain.outcomes import Outcome
from tests.journeys.world import World, shell
from tests.support.playground_github import Playground
from tests.support.playground_gitlab import GitLabPlayground
from tests.support.waiting import eventually

LEXER = "one\ntwo\nthree\n"
SHOWN = """
grep -q 'lexer.py, line 2' /task/prompt.md
grep -q '^+two' /task/prompt.md
echo fixed > fixed.txt
"""


def a_change(full: World) -> int:
    """Open a change that writes `lexer.py`; return its number."""
    full.push("lexer", "lexer.py", LEXER)
    return full.playground.open_pull("Add a lexer", head="lexer")


def done(full: World, on: int, *, number: int = 1) -> str:
    """Return the request of this run of the thread's newest task, which must have succeeded."""
    task, run = full.task_after_run(number, on=on)
    assert (run.outcome, task.state) in [
        (Outcome.PUSHED, State.SUCCEEDED),
        (Outcome.NO_CHANGES, State.SUCCEEDED),
    ], run.reason
    return run.request


@pytest.mark.alike
def test_the_prompt_for_a_line_comment_has_its_lines_and_the_answer_is_in_its_discussion(full: World) -> None:
    full.start()
    change = a_change(full)

    asked = full.playground.inline_comment(change, "lexer.py", 2, "/run " + shell(SHOWN))

    task, run = full.task_after_run(1, on=change)
    assert run.outcome is Outcome.PUSHED, run.reason
    eventually(lambda: full.playground.inline_reactions(asked) == ["eyes"])
    final = f"<!-- forgehand:final:{run.id} -->"
    answers = eventually(
        lambda: [each for each in full.playground.inline_comments(change) if final in each["body"]]
    )
    assert "\u2705 **" in answers[0]["body"]
    if isinstance(full.playground, Playground):
        assert answers[0]["in_reply_to_id"] == asked
        assert full.bot_comments(change) == []
    else:
        notes = full.playground.discussion(change, asked)["notes"]
        assert notes[0]["id"] == asked
        assert answers[0]["id"] in [note["id"] for note in notes]

    full.playground.reply_inline(change, asked, "/resume once more " + shell("echo more > more.txt"))

    assert "once more" in done(full, change, number=2)
    full.settled()
    said = [each["body"] for each in full.playground.inline_comments(change)]
    assert sum("\u2705 **" in body for body in said) == 2
    assert len(full.tasks()) == 1
    assert task.id in "".join(said)


@pytest.mark.parametrize("forge", ["github"], indirect=True)  # GitLab's reviews are notes and arrive as notes
def test_a_command_in_a_review_is_answered_on_the_thread(full: World) -> None:
    assert isinstance(full.playground, Playground)
    full.start()
    change = a_change(full)
    inline = {"path": "lexer.py", "line": 2, "body": "Why?"}

    full.playground.review(change, "", [inline])
    full.playground.review(change, "Nice.\n\n/run " + shell("echo fixed > fixed.txt"), [inline])

    task, run = full.task_after_run(1, on=change)
    assert run.outcome is Outcome.PUSHED, run.reason
    full.final_comment(change, run)
    full.settled()
    assert [each.id for each in full.tasks()] == [task.id]


@pytest.mark.alike
def test_labels_select_the_agent_and_the_request(full: World) -> None:
    full.settings["agents"]["other"] = {"command": ["sh", "-c", "echo other > other.txt"]}
    full.settings["labels"] = {
        "succeeded": "done",
        "failed": "went wrong",
        "run": {
            "make one": shell("echo one > one.txt"),
            "other": "--agent other Do that.",
            "break": shell("exit 3"),
        },
    }
    full.start()
    by_name = full.playground.open_issue("By name")
    by_table = full.playground.open_issue("By table")
    by_option = full.playground.open_issue("By option")

    full.playground.label(by_name, "forgehand:other")
    full.playground.label(by_table, "make one")

    assert done(full, by_name) == "Do what this thread asks"
    [task] = full.tasks(by_name)
    assert task.agent == "other"
    assert full.git("show", f"origin/{task.branch}:other.txt") == "other"
    assert "echo one" in done(full, by_table)
    full.playground.label(by_option, "other")
    assert done(full, by_option) == "Do that."
    assert [task.agent for task in full.tasks(by_option)] == ["other"]
    eventually(lambda: full.playground.labels(by_name) == ["done"])
    eventually(lambda: full.playground.labels(by_table) == ["done"])

    full.playground.label(by_table, "break")

    eventually(lambda: len(full.tasks(by_table)) == 2)
    _, run = full.task_after_run(1, on=by_table)
    assert run.outcome is Outcome.AGENT_FAILED
    eventually(lambda: full.playground.labels(by_table) == ["went wrong"])
    full.playground.label(by_name, "forgehand:nobody")
    full.wait_for_comment(by_name, "No agent of that name is set up here.")
    full.settled()
    assert full.playground.labels(by_name) == ["done", "forgehand:nobody"]
    assert len(full.tasks()) == 4


@pytest.mark.alike  # the events differ, and have tests of their own
def test_the_bot_works_only_on_issues_that_are_assigned_to_it(full: World) -> None:
    full.start()
    issue = full.playground.open_issue("Write one", shell("echo one > one.txt"))
    other = full.playground.open_issue("Not for the bot", shell("echo other > other.txt"))
    full.playground.set_permission(full.playground.bot_name, "push")

    full.playground.assign(other, "ann")
    full.playground.assign(issue, full.playground.bot_name)

    assert done(full, issue) == "Do what this thread asks"
    full.settled()
    assert full.playground.issue_reactions(issue) == ["eyes"]
    assert full.tasks(other) == []


@pytest.mark.parametrize("forge", ["gitlab"], indirect=True)
def test_an_issue_that_is_opened_with_labels_and_an_assignment_starts_one_task(full: World) -> None:
    assert isinstance(full.playground, GitLabPlayground)
    full.settings["agents"]["other"] = {"command": ["sh", "-c", "echo other > other.txt"]}
    full.start()
    full.playground.set_permission(full.playground.bot_name, "push")

    issue = full.playground.open_issue(
        "Write one",
        shell("echo one > one.txt"),
        labels="forgehand,forgehand:other",
        assignee_ids=[full.playground.user_id("bot")],
    )

    assert done(full, issue) == "Do what this thread asks"
    full.settled()
    assert [task.agent for task in full.tasks(issue)] == ["other"]
    assert full.playground.labels(issue) == []


@pytest.mark.alike  # the events differ, and have tests of their own
def test_the_bot_reviews_a_change_on_request(full: World) -> None:
    full.start()
    full.playground.set_permission(full.playground.bot_name, "push")
    change = a_change(full)

    full.playground.request_review(change, full.playground.bot_name)

    assert "Review this change" in done(full, change)
    _, run = full.task_after_run(1, on=change)
    assert "Review this change" in full.final_comment(change, run)


@pytest.mark.alike
def test_a_person_without_write_access_cannot_use_any_trigger(full: World) -> None:
    full.playground.set_permission("reader", "triage")
    full.start()
    change = a_change(full)
    issue = full.playground.open_issue("Write one", shell("echo one > one.txt"))

    full.playground.inline_comment(change, "lexer.py", 2, "/run tidy", as_="reader")
    full.playground.label(issue, "forgehand", as_="reader")
    full.playground.assign(issue, full.playground.bot_name, as_="reader")

    full.wait_for_comment(issue, "Only people who may write")
    eventually(
        lambda: [
            each
            for each in full.playground.inline_comments(change)
            if "Only people who may write" in each["body"]
        ]
    )
    full.settled()
    assert full.tasks() == []
