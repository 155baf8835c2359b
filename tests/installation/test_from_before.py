"""The current code takes over an older installation and finishes all its unfinished work."""

import json
import re

import pytest

from tests.installation.installation import Installation, Row
from tests.journeys.world import shell
from tests.support import http
from tests.support.waiting import eventually

pytestmark = pytest.mark.waits

# Numbers of the threads that make.py opens, by their titles.
FAILS, AWAITING_APPROVAL, LOST, UNREPORTED, UNSENT, UNANSWERED, POSTED = range(2, 9)
CONTINUES = """
test "$(cat {file})" = {content}
test "$(cat "$HOME/note")" = remembered
test -z "$(git log --format=%s -- {file})"
echo more >>{file}
"""
KINDS = ["change", "final", "label", "progress", "reaction", "reply", "status"]


def test_all_unfinished_work_of_an_older_installation_is_finished(before: Installation) -> None:
    assert sorted({row["kind"] for row in before.unsent()}) == KINDS
    assert before.row("SELECT version_num FROM alembic_version")["version_num"] == "0006"
    awaiting = before.task(AWAITING_APPROVAL)["checked_head"]
    folders = {issue: folder_of(before, issue) for issue in (FAILS, AWAITING_APPROVAL, LOST)}
    due, mirrors = before.unsent(), list((before.data / "mirrors").glob("*.git"))
    before.start_forge()
    assert len(before.bot_comments(POSTED)) == 1  # posted, but not recorded in the ledger as sent

    before.start_bot()

    check_lost_run(before)
    before.say(LOST, "/resume " + shell(CONTINUES.format(file="begun.txt", content="begun")))
    before.say(FAILS, "/resume " + shell(CONTINUES.format(file="left.txt", content="unfinished")))
    before.say(AWAITING_APPROVAL, f"/approve {awaiting[:12]}")
    check_pushed(before, LOST, "begun.txt", "begun\nmore")
    check_pushed(before, FAILS, "left.txt", "unfinished\nmore")
    check_pushed(before, AWAITING_APPROVAL, ".github/workflows/ci.yml", "on: push")
    assert before.git("rev-parse", before.task(AWAITING_APPROVAL)["branch"]) == awaiting
    assert (
        before.data / "workspaces" / before.task(AWAITING_APPROVAL)["id"] / "home" / "times"
    ).read_text() == "ran\n"
    assert {issue: folder_of(before, issue) for issue in folders} == folders
    assert list((before.data / "mirrors").glob("*.git")) == mirrors
    old = {row["id"] for row in due}
    eventually(lambda: not old & {row["id"] for row in before.unsent()})
    check_reports(before, due)
    check_old_links(before)
    check_migrated_ledger(before)
    eventually(lambda: not before.containers())


def folder_of(before: Installation, issue: int) -> tuple[int, int]:
    """Return the inode of the task's clone, and the number of its workspaces in the ledger."""
    task = before.task(issue)["id"]
    rows = before.rows("SELECT 1 FROM workspaces WHERE task = :task AND removed_at IS NULL", task=task)
    return (before.data / "workspaces" / task / "repo").stat().st_ino, len(rows)


def check_lost_run(before: Installation) -> None:
    run = before.ended(LOST, 1)
    assert (run["state"], run["outcome"], run["phase"]) == ("failed", "lost", "report"), run
    workspace = before.row("SELECT * FROM workspaces WHERE task = :task", task=run["task"])
    assert workspace["keep_until"] > run["ended_at"]
    assert workspace["removed_at"] is None
    [final] = eventually(lambda: with_marker(before, LOST, f"final:{run['id']}"))
    assert "/resume" in final


def check_pushed(before: Installation, issue: int, file: str, content: str) -> None:
    """Wait for the second run; check that its branch has this file and that the thread has one change."""
    run, task = before.ended(issue, 2), before.task(issue)
    assert (run["outcome"], task["state"]) == ("pushed", "succeeded"), f"{run}\n{before.output()}"
    assert run["host"] == (before.data / "instance").read_text()
    assert before.git("rev-parse", task["branch"]) == task["pushed_head"]
    assert before.git("show", f"{task['branch']}:{file}") == content
    eventually(lambda: with_marker(before, issue, f"final:{run['id']}"))
    assert heads(before).count(task["pushed_head"]) == 1


def check_reports(before: Installation, due: list[Row]) -> None:
    """Check that each due row and the unanswered command have exactly one comment."""
    task = before.task(UNREPORTED)
    run = f"{task['id']}-1"
    head = task["pushed_head"]
    assert heads(before).count(head) == 1
    assert task["change_number"] in [pull["number"] for pull in before.ask("GET", "pulls?state=all")]
    states = [status["state"] for status in before.ask("GET", f"commits/{head}/statuses")]
    assert states == ["success"]
    assert [label["name"] for label in before.ask("GET", f"issues/{UNREPORTED}/labels")] == ["done"]
    [final] = with_marker(before, UNREPORTED, f"final:{run}")
    assert f"#{task['change_number']}" in final
    [progress] = with_marker(before, UNREPORTED, f"progress:{run}")
    assert "has ended" in progress
    for issue in (UNSENT, UNANSWERED, POSTED):
        command, answer = before.ask("GET", f"issues/{issue}/comments")
        assert f"<!-- forgehand:reply:comment:{command['id']} -->" in answer["body"]
        reactions = before.ask("GET", f"issues/comments/{command['id']}/reactions")
        assert [each["content"] for each in reactions] == ["eyes"]
    for row in due:
        now = before.row("SELECT * FROM outbox WHERE id = :id", id=row["id"])
        assert (now["sent_version"], now["refused"]) == (now["version"], ""), now
    assert before.rows("SELECT 1 FROM deliveries WHERE answered_at IS NULL") == []


def check_old_links(before: Installation) -> None:
    [final] = with_marker(before, FAILS, f"final:{before.task(FAILS)['id']}-1")
    [link] = re.findall(rf"\(({before.bot_url}/tasks/[^)]+)\)", final)
    page = http.get(link)
    assert page.status_code == 200
    assert "It ended with exit status 3" in page.text


def check_migrated_ledger(before: Installation) -> None:
    assert before.row("SELECT version_num FROM alembic_version")["version_num"] > "0006"
    reported = json.loads(before.forgehand("tasks", "--json"))
    assert {task["task"] for task in reported} == {
        before.task(each)["id"] for each in range(FAILS, UNREPORTED + 1)
    }


def with_marker(before: Installation, issue: int, marker: str) -> list[str]:
    return [body for body in before.bot_comments(issue) if f"<!-- forgehand:{marker} -->" in body]


def heads(before: Installation) -> list[str]:
    return [pull["head"]["sha"] for pull in before.ask("GET", "pulls?state=all&per_page=100")]
