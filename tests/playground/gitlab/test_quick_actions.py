"""Quick actions: GitLab's treatment of lines that start with a slash and a known command."""

import pytest

from bot.playground.gitlab.quick_actions import extract
from tests.support.playground_clones import push_commit
from tests.support.playground_gitlab import GitLabPlayground


@pytest.mark.parametrize(
    "body",
    [
        "see `/close`",
        " /close",
        "> /close",
        "```\n/close\n```",
        "```sh\nx\n/close\n```\n",
        ">>>\n/close\n>>>",
        "<details>\n/close\n</details>",
        "/closed",
        "/run tidy it",
        "a/close",
    ],
)
def test_a_command_inside_a_line_is_text(body: str) -> None:
    assert extract(body) == (body.rstrip(), [])


def test_lines_with_known_commands_are_removed() -> None:
    assert extract('Done.\n/CLOSE\n/label ~a ~"b c"\nBye') == (
        "Done.\nBye",
        [("close", ""), ("label", '~a ~"b c"')],
    )
    assert extract("/approve\r\n") == ("", [("approve", "")])


def test_a_note_with_only_commands_is_not_created(gitlab_side: GitLabPlayground) -> None:
    answer = gitlab_side.call("POST", "issues/1/notes", {"body": "/close\n/label ~bug"})

    assert answer.status_code == 202
    assert answer.json()["commands_changes"] == {"state_event": "close", "add_labels": ["bug"]}
    shown = gitlab_side.ask("GET", "issues/1")
    assert (shown["state"], shown["labels"]) == ("closed", ["bug"])
    assert gitlab_side.comments(1) == []
    gitlab_side.comment(1, "No.\n/reopen\n/assign @forgehand\n/unlabel ~bug")
    shown = gitlab_side.ask("GET", "issues/1")
    assert (shown["state"], shown["labels"]) == ("opened", [])
    assert shown["assignees"][0]["username"] == "forgehand"
    assert [note["body"] for note in gitlab_side.comments(1)] == ["No."]


def test_commands_run_with_the_rights_of_their_author(gitlab_side: GitLabPlayground) -> None:
    head = push_commit(gitlab_side, "topic")
    change = gitlab_side.open_pull("Topic", head="topic")
    place = f"merge_requests/{change}"

    ignored = gitlab_side.call("POST", f"{place}/notes", {"body": "/approve\n/merge"}, as_="reader")
    assert (ignored.status_code, ignored.json()["commands_changes"]) == (202, {})
    assert gitlab_side.ask("GET", f"{place}/approvals")["approved_by"] == []
    gitlab_side.comment(change, "Fine.\n/approve", as_="bot")
    who = gitlab_side.ask("GET", f"{place}/approvals")["approved_by"]
    assert [one["user"]["username"] for one in who] == ["forgehand"]
    gitlab_side.comment(change, "/merge")

    shown = gitlab_side.ask("GET", place)
    assert (shown["state"], shown["merged_by"]["username"]) == ("merged", "ann")
    assert gitlab_side.branch_head("main") == shown["merge_commit_sha"] != head


def test_commands_also_run_when_a_note_is_edited(gitlab_side: GitLabPlayground) -> None:
    note = gitlab_side.comment(1, "text")

    gitlab_side.edit(note, "still text\n/label ~bug")
    assert (gitlab_side.labels(1), gitlab_side.comments(1)[0]["body"]) == (["bug"], "still text")
    gitlab_side.edit(note, "/close")

    assert gitlab_side.ask("GET", "issues/1")["state"] == "closed"
    assert gitlab_side.comments(1) == []
