"""The adapter of GitLab: behaviour that the other forge does not share. The rest is in test_adapters.py."""

from dataclasses import replace
from urllib.parse import quote

import pytest

from bot.domain.change import CheckState
from bot.domain.errors import ForgeError, ForgeGone
from bot.domain.thread import Actor, Kind, ReplyTarget, Thread
from bot.forges.gitlab.adapter import GitLab
from tests.forges.adapter_calls import HERE, MARKER, add_comments, anvil, new_change, status
from tests.support.gitlab_as_github import Change
from tests.support.playground_clones import push_commit
from tests.support.playground_faults import Fault, Faults
from tests.support.playground_gitlab import GitLabPlayground
from tests.support.scripted_server import Response, Server

ANVIL = anvil("gitlab")
CHANGE = replace(ANVIL, kind=Kind.CHANGE, number=3)
PLACE = "/api/v3/api/v4/projects/7"  # the scripted server is like an instance below a path


@pytest.fixture
def change(playground: GitLabPlayground, thread: Thread) -> Thread:
    push_commit(playground, "topic")
    return replace(thread, kind=Kind.CHANGE, number=playground.open_pull("Mine", head="topic"))


# Accounts


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


# Repositories and changes


def test_an_empty_repository_has_no_default_branch(scripted: GitLab, server: Server) -> None:
    empty = {"id": 7, "path_with_namespace": "a/b", "web_url": "https://gitlab.com/a/b"}
    server.script = [Response(200, {**empty, "default_branch": None})]

    assert scripted.repository(7).default_branch == ""


@pytest.mark.parametrize("fork", [None, 8])
@pytest.mark.parametrize("state", ["merged", "closed", "locked"])
def test_a_change_from_a_fork_is_recognized_even_if_the_fork_is_deleted(
    scripted: GitLab, server: Server, fork: int | None, state: str
) -> None:
    branches = {"sha": "a" * 40, "source_branch": "topic", "target_branch": "1.x"}
    project = {"id": 7, "path_with_namespace": "acme/anvil", "web_url": "https://gitlab.com/acme/anvil"}
    server.script = [
        Response(200, {**branches, "source_project_id": fork, "target_project_id": 7, "state": state}),
        Response(200, {**project, "default_branch": "main"}),
    ]

    found = scripted.change_head(CHANGE)

    assert (found.base_branch, found.default_branch) == ("1.x", "main")
    assert not found.same_repository
    assert not found.open


def test_a_change_without_commits_is_refused(scripted: GitLab, server: Server) -> None:
    server.script = [Response(200, {"sha": None})]

    with pytest.raises(ForgeError, match="no commits"):
        scripted.change_head(CHANGE)


# Labels and reactions


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


# Comments


def test_an_internal_comment_is_answered_internally(
    forge: GitLab, playground: GitLabPlayground, thread: Thread
) -> None:
    inside = ReplyTarget(comment_id=playground.comment(1, "/run tidy", internal=True), internal=True)
    comment = forge.comment(thread, MARKER, inside)
    forge.edit_comment(thread, comment, f"Done. {MARKER}", inside)
    for _ in range(2):
        forge.react(thread, inside)

    assert playground.comments(1)[-1]["internal"] is True
    assert playground.reactions(inside.comment_id or 0) == ["eyes"]
    assert forge.find_comments(thread, MARKER, inside) == [comment]
    assert forge.comment(thread, "hello", HERE) == playground.comments(1)[-1]["id"]
    assert playground.comments(1)[-1]["internal"] is False


def test_a_comment_on_a_line_is_answered_in_its_discussion(
    forge: GitLab, playground: GitLabPlayground, change: Thread
) -> None:
    said = playground.inline_comment(change.number, "notes.txt", 1, "/run tidy this")
    reply_target = ReplyTarget(comment_id=said, discussion=playground.discussion(change.number, said)["id"])

    forge.react(change, reply_target)
    comment = forge.comment(change, MARKER, reply_target)
    forge.edit_comment(change, comment, f"Done. {MARKER}", reply_target)

    notes = playground.discussion(change.number, said)["notes"]
    assert [note["body"] for note in notes] == ["/run tidy this", f"Done. {MARKER}"]
    assert forge.find_comments(change, MARKER, reply_target) == [comment]
    assert playground.reactions(said) == ["eyes"]
    forge.delete_comment(change, comment, reply_target)
    assert forge.find_comments(change, MARKER, reply_target) == []


def test_comments_are_searched_in_the_three_newest_pages(scripted: GitLab, server: Server) -> None:
    def note(number: int, body: str = MARKER, author: int = 5) -> dict[str, object]:
        return {"id": number, "body": body, "author": {"id": author}}

    server.script = [
        Response(200, {"id": 5, "username": "forgehand"}),
        Response(200, [note(9), note(8, author=6)], {"X-Next-Page": "2"}),
        Response(200, [note(7, body="else")], {"X-Next-Page": "3"}),
        # A new comment has moved a comment from the previous page to this one.
        Response(200, [note(9), note(4)], {"X-Next-Page": "4"}),
    ]

    assert scripted.find_comments(ANVIL, MARKER, HERE) == [4, 9]
    assert [path.rpartition("&")[2] for _, path, _ in server.asked[1:]] == ["page=1", "page=2", "page=3"]


def test_comments_on_the_second_page_are_found(
    forge: GitLab, playground: GitLabPlayground, thread: Thread
) -> None:
    comments = [forge.comment(thread, MARKER, HERE) for _ in range(2)]
    add_comments(playground, 120)

    assert forge.find_comments(thread, MARKER, HERE) == comments


def test_a_comment_of_only_quick_actions_is_refused(forge: GitLab, thread: Thread) -> None:
    with pytest.raises(ForgeError, match="quick actions"):
        forge.comment(thread, "/close", HERE)


@pytest.mark.parametrize("answer", [{"commands_changes": {}, "summary": ["Closed."]}, {"id": None}, [], None])
@pytest.mark.parametrize("reply_target", [HERE, ReplyTarget(discussion="d1")])
def test_a_response_without_the_id_of_the_comment_is_an_error(
    scripted: GitLab, server: Server, answer: object, reply_target: ReplyTarget
) -> None:
    server.script = [Response(202, answer)]

    with pytest.raises(ForgeError):
        scripted.comment(CHANGE, "hello?", reply_target)


def test_a_comment_in_an_archived_repository_is_refused(
    forge: GitLab, playground: GitLabPlayground, thread: Thread
) -> None:
    playground.archive()

    with pytest.raises(ForgeError, match="403"):
        forge.comment(thread, "hello?", HERE)


# Statuses


def test_a_repeated_status_is_one_status_and_a_long_description_is_cut(
    forge: GitLab, playground: GitLabPlayground, thread: Thread
) -> None:
    sha = push_commit(playground, "topic")
    for _ in range(2):
        forge.set_status(thread, sha, status(CheckState.PENDING))
    (first,) = playground.statuses(sha)
    forge.set_status(
        thread, sha, status(CheckState.SUCCESS, "é" * 300, url="https://bot.example/" + "t" * 255)
    )
    (last,) = playground.statuses(sha)

    assert (first["status"], first["name"], first["target_url"]) == (
        "pending",
        "forgehand",
        "https://bot.example/t1",
    )
    assert (last["status"], last["description"], last["target_url"]) == (
        "success",
        "é" * 255,
        "https://bot.example/t1",
    )


@pytest.mark.parametrize("verdict", [CheckState.FAILURE, CheckState.ERROR])
def test_a_failure_or_an_error_is_set_as_failed_even_after_a_success(
    forge: GitLab, playground: GitLabPlayground, thread: Thread, verdict: CheckState
) -> None:
    sha = push_commit(playground, "topic")
    forge.set_status(thread, sha, status(CheckState.SUCCESS, url=""))
    forge.set_status(thread, sha, status(verdict, url=""))

    assert [each["status"] for each in playground.statuses(sha)] == ["failed", "success"]


def test_an_invalid_status_is_refused_with_the_reason(scripted: GitLab, server: Server) -> None:
    server.script = [Response(400, {"message": {"target_url": ["is blocked"]}})]

    with pytest.raises(ForgeError, match="target_url is blocked"):
        scripted.set_status(ANVIL, "a" * 40, status(CheckState.ERROR))


def test_the_status_of_a_forks_head_is_set_in_the_fork(scripted: GitLab, server: Server) -> None:
    server.script = [
        Response(404, {"message": "404 References for commit Not Found"}),
        Response(200, {"source_project_id": 8}),
        Response(201, {}),
    ]

    scripted.set_status(CHANGE, "a" * 40, status(CheckState.SUCCESS))

    assert [path for _, path, _ in server.asked] == [
        f"{PLACE}/statuses/{'a' * 40}",
        f"{PLACE}/merge_requests/3",
        f"/api/v3/api/v4/projects/8/statuses/{'a' * 40}",
    ]
    assert server.asked[0][2] == server.asked[2][2]


def test_a_change_from_a_fork_is_recognized_and_its_status_needs_rights_in_the_fork(
    forge: GitLab, playground: GitLabPlayground, thread: Thread
) -> None:
    path = playground.fork("eve")
    sha = push_commit(playground, "topic", path=path, as_="eve")
    number = playground.open_pull("Theirs", head="eve:topic", as_="eve")
    change = replace(thread, kind=Kind.CHANGE, number=number)

    head = forge.change_head(change)

    assert (head.head, head.same_repository, head.default_branch) == (sha, False, "main")
    with pytest.raises(ForgeError, match="403"):
        forge.set_status(change, sha, status(CheckState.PENDING))
    fork = f"/api/v4/projects/{quote(path, safe='')}"
    bot = {"user_id": playground.user_id("bot"), "access_level": 30}
    playground.ask("POST", f"{fork}/members", bot, as_="eve")
    forge.set_status(change, sha, status(CheckState.PENDING))
    assert len(playground.ask("GET", f"{fork}/repository/commits/{sha}/statuses", as_="eve")) == 1


@pytest.mark.parametrize("code", [403, 404])
def test_a_status_that_the_fork_does_not_accept_is_refused(
    scripted: GitLab, server: Server, code: int
) -> None:
    server.script = [Response(404), Response(200, {"source_project_id": 8}), Response(code)]

    with pytest.raises(ForgeError, match=str(code)):
        scripted.set_status(CHANGE, "a" * 40, status(CheckState.SUCCESS))


@pytest.mark.parametrize("source", [None, 7])
def test_the_first_refusal_of_a_status_is_reported_if_there_is_no_fork(
    scripted: GitLab, server: Server, source: int | None
) -> None:
    server.script = [
        Response(404, {"message": "404 Commit Not Found"}),
        Response(200, {"source_project_id": source}),
    ]

    with pytest.raises(ForgeError, match="404 Commit Not Found"):
        scripted.set_status(CHANGE, "a" * 40, status(CheckState.SUCCESS))
    assert len(server.asked) == 2


def test_a_status_on_a_change_from_the_project_itself_does_not_read_the_change(
    forge: GitLab, playground: GitLabPlayground, change: Thread, faults: Faults
) -> None:
    sha = playground.branch_head("topic")
    assert sha is not None
    faults.inject(Fault.BAD_GATEWAY, "GET", "/merge_requests/", times=9)

    forge.set_status(change, sha, status(CheckState.PENDING))

    assert faults.hit == []


# Changes


def test_a_long_title_is_cut(forge: GitLab, playground: GitLabPlayground, thread: Thread) -> None:
    push_commit(playground, "topic")

    assert forge.open_change(thread, new_change("topic", draft=False, title="é" * 300))
    assert playground.pulls()[0]["title"] == "é" * 255


def test_a_change_from_a_fork_with_the_same_branch_name_is_not_the_bots_change(
    scripted: GitLab, server: Server
) -> None:
    theirs = {"iid": 9, "web_url": "https://gitlab.com/x", "source_project_id": 8}
    ours = {"iid": 5, "web_url": "https://gitlab.com/y", "source_project_id": 7}
    exists = Response(
        409, {"message": ["Another open merge request already exists for this source branch: !5"]}
    )
    commits = Response(200, {"commits": [{}]})
    server.script = [commits, exists, Response(200, [theirs, ours])]

    change = scripted.open_change(ANVIL, new_change("topic"))

    assert change is not None
    assert change.number == 5
    server.script = [commits, exists, Response(200, [theirs])]
    with pytest.raises(ForgeError, match="already exists"):
        scripted.open_change(ANVIL, new_change("topic"))


def test_a_change_is_opened_if_the_comparison_of_branches_timed_out(scripted: GitLab, server: Server) -> None:
    server.script = [
        Response(200, {"commits": [], "compare_timeout": True}),
        Response(201, {"iid": 5, "web_url": "https://gitlab.com/acme/anvil/-/merge_requests/5"}),
    ]

    assert scripted.open_change(ANVIL, new_change("topic"))


# Addresses


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
