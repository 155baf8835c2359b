"""The adapter of GitLab: accounts, labels and addresses. What both forges share is in test_adapters.py."""

import pytest

from bot.domain.errors import ForgeGone
from bot.domain.thread import Actor, ReplyTarget, Thread
from bot.forges.gitlab.adapter import GitLab
from tests.forges.gitlab.scripted_project import ANVIL, CHANGE, PLACE
from tests.support.gitlab_as_github import Change
from tests.support.playground_gitlab import GitLabPlayground
from tests.support.scripted_server import Response, Server


def test_an_account_without_the_field_bot_is_not_a_bot(scripted: GitLab, server: Server) -> None:
    server.script = [Response(200, {"id": 5, "username": "forgehand"})]

    assert scripted.whoami() == Actor(id=5, login="forgehand")


@pytest.mark.parametrize(
    "states", [{"state": "blocked"}, {"state": "active", "membership_state": "awaiting"}], ids=str
)
def test_a_blocked_or_not_yet_accepted_member_may_not_write(
    scripted: GitLab, server: Server, states: dict[str, str]
) -> None:
    server.script = [Response(200, {"id": 1, "access_level": 50, **states})]

    assert not scripted.may_write(ANVIL, Actor(id=1, login="ann"))
    assert server.asked == [("GET", f"{PLACE}/members/all/1", None)]


def test_an_empty_repository_has_no_default_branch(scripted: GitLab, server: Server) -> None:
    empty = {"id": 7, "path_with_namespace": "a/b", "web_url": "https://gitlab.com/a/b"}
    server.script = [Response(200, {**empty, "default_branch": None})]

    assert scripted.repository(7).default_branch == ""


def test_a_label_is_found_in_its_exact_case_and_can_be_added_and_removed_twice(
    forge: GitLab, playground: GitLabPlayground, thread: Thread
) -> None:
    playground.label(1, "bug")
    for _ in range(2):
        forge.add_label(thread, "Forgehand::now not later")

    assert set(playground.labels(1)) == {"bug", "Forgehand::now not later"}
    assert forge.has_label(thread, "Forgehand::now not later")
    assert not forge.has_label(thread, "forgehand::now not later")
    for _ in range(2):
        forge.remove_label(thread, "Forgehand::now not later")
    assert playground.labels(1) == ["bug"]


def test_a_change_does_not_share_labels_with_the_issue_of_the_same_number(
    forge: GitLab, playground: GitLabPlayground, thread: Thread, change: Thread
) -> None:
    assert thread.number == change.number
    forge.add_label(change, "done")

    assert playground.labels(Change(change.number)) == ["done"]
    assert not forge.has_label(thread, "done")


def test_a_reaction_to_a_missing_comment_is_refused(forge: GitLab, thread: Thread) -> None:
    with pytest.raises(ForgeGone):
        forge.react(thread, ReplyTarget(comment_id=999_999))


@pytest.mark.parametrize(
    ("url", "own", "other"),
    [
        ("https://gitlab.com/", "https://GitLab.com/a/b.git", "https://gitlab.com.evil.example/a/b"),
        (
            "https://Git.example.org:443/gitlab/",
            "https://git.example.org/gitlab/a/b",
            "https://git.example.org/a/b",
        ),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080/a/b/c", "http://127.0.0.1:8081/a/b/c"),
    ],
)
def test_an_instance_may_be_below_a_path(url: str, own: str, other: str) -> None:
    forge = GitLab(url=url, token="glpat-x")

    assert forge.git_headers(own)
    assert not forge.git_headers(other)


def test_links_to_pages_have_the_web_address(scripted: GitLab) -> None:
    issue, change = scripted.pages(ANVIL), scripted.pages(CHANGE)
    url = "https://gitlab.com/acme/anvil/-"

    assert issue.thread == f"{url}/issues/1"
    assert change.thread == f"{url}/merge_requests/3"
    assert issue.branch.format(branch="forgehand/1-x") == f"{url}/tree/forgehand/1-x"
    assert issue.commit.format(sha="abc") == f"{url}/commit/abc"
    assert issue.new_change.format(branch="b", base="main") == (
        f"{url}/merge_requests/new?merge_request%5Bsource_branch%5D=b&merge_request%5Btarget_branch%5D=main"
    )


def test_a_delivery_that_does_not_concern_the_bot_is_not_an_event(scripted: GitLab) -> None:
    assert scripted.events("Push Hook", b"{}") == []
