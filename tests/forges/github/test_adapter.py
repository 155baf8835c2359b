"""The adapter of GitHub: behaviour that the other forge does not share. The rest is in test_adapters.py."""

from dataclasses import replace

import pytest

from bot.domain.change import CheckState
from bot.domain.errors import ForgeGone, ForgeUnavailable
from bot.domain.thread import Kind, Thread
from bot.forges.github.adapter import GitHub
from bot.forges.github.web_url import web_url
from tests.forges.adapter_calls import HERE, MARKER, actor, add_comments, anvil, new_change, status
from tests.support.playground_clones import push_commit
from tests.support.playground_faults import Fault, Faults
from tests.support.playground_github import Playground
from tests.support.scripted_server import Response, Server

ANVIL = anvil("github")


# Accounts


def test_another_account_with_the_login_of_a_writer_may_not_write(
    forge: GitHub, playground: Playground, thread: Thread
) -> None:
    ann = actor(playground, "ann")

    assert forge.may_write(thread, ann)
    assert not forge.may_write(thread, replace(ann, id=ann.id + 1))


# Repositories and changes


@pytest.mark.parametrize("fork", [None, {"id": 8}])
def test_a_change_from_a_fork_is_recognized_even_if_the_fork_is_deleted(
    scripted: GitHub, server: Server, fork: object
) -> None:
    head = {"sha": "a" * 40, "ref": "topic", "repo": fork}
    base = {"ref": "main", "repo": {"id": 7, "default_branch": "main"}}
    server.script = [Response(200, {"head": head, "base": base, "state": "closed"})]

    found = scripted.change_head(ANVIL)

    assert not found.same_repository
    assert not found.open


# Labels, reactions, comments


def test_a_label_is_found_in_any_case_and_can_be_removed_twice(
    forge: GitHub, playground: Playground, thread: Thread
) -> None:
    playground.label(1, "Forgehand / now")

    assert forge.has_label(thread, "forgehand / now")
    forge.remove_label(thread, "forgehand / now")
    forge.remove_label(thread, "forgehand / now")
    assert not forge.has_label(thread, "forgehand / now")


def test_comments_are_searched_in_the_three_newest_pages(
    forge: GitHub, playground: Playground, thread: Thread
) -> None:
    first = forge.comment(thread, MARKER, HERE)
    second = forge.comment(thread, MARKER, HERE)
    for _ in range(3):
        add_comments(playground, 99)
        assert forge.find_comments(thread, MARKER, HERE) == [first, second]

    third = forge.comment(thread, MARKER, HERE)
    playground.comment(1, "and one on a fourth page")

    assert forge.find_comments(thread, MARKER, HERE) == [third]


def test_a_comment_on_a_locked_thread_is_refused(
    forge: GitHub, playground: Playground, thread: Thread
) -> None:
    playground.lock(1)

    with pytest.raises(ForgeGone, match="locked"):
        forge.comment(thread, "hello?", HERE)


def test_a_comment_in_an_archived_repository_is_refused(
    forge: GitHub, playground: Playground, thread: Thread
) -> None:
    playground.archive()

    with pytest.raises(ForgeGone, match="archived"):
        forge.comment(thread, "hello?", HERE)


def test_a_response_without_the_id_of_the_comment_is_an_error(scripted: GitHub, server: Server) -> None:
    server.script = [Response(201, {"message": "Moved"})]

    with pytest.raises(ForgeUnavailable):
        scripted.comment(ANVIL, "hello?", HERE)


# Failures of the forge


def test_a_secondary_rate_limit_has_the_time_until_its_end(
    forge: GitHub, playground: Playground, thread: Thread, faults: Faults
) -> None:
    faults.inject(Fault.SECONDARY_LIMIT, "POST", "/comments$", times=9, seconds=3600)

    with pytest.raises(ForgeUnavailable) as refused:
        forge.comment(thread, "hello?", HERE)

    assert refused.value.retry_after == 3600
    assert len(faults.hit) == 1


def test_a_comment_sent_to_a_moved_repository_arrives_once(
    forge: GitHub, playground: Playground, thread: Thread, faults: Faults
) -> None:
    faults.inject(Fault.MOVED, "POST", "/comments$")

    comment = forge.comment(thread, MARKER, HERE)

    assert [each["id"] for each in playground.comments(1)] == [comment]


# Statuses and changes


def test_a_status_is_set_and_its_long_description_is_cut(
    forge: GitHub, playground: Playground, thread: Thread
) -> None:
    sha = push_commit(playground, "topic")
    forge.set_status(thread, sha, status(CheckState.PENDING))
    forge.set_status(thread, sha, status(CheckState.SUCCESS, "é" * 200, url=""))

    last, first = playground.statuses(sha)

    assert (first["state"], first["context"], first["target_url"]) == (
        "pending",
        "forgehand",
        "https://bot.example/t1",
    )
    assert (last["state"], last["description"], last["target_url"]) == ("success", "é" * 140, None)


def test_a_change_is_not_opened_as_a_draft_if_the_plan_has_no_drafts(
    scripted: GitHub, server: Server
) -> None:
    # Only private repositories of the free plan have this response.
    no = {"message": "Draft pull requests are not supported in this repository."}
    server.script = [
        Response(422, no),
        Response(201, {"number": 5, "html_url": "https://github.com/acme/anvil/pull/5"}),
    ]

    change = scripted.open_change(ANVIL, new_change("topic"))

    assert change is not None
    assert change.number == 5
    assert [given["draft"] for _, _, given in server.asked] == [True, False]


# Addresses


@pytest.mark.parametrize(
    ("api", "web"),
    [
        ("https://api.github.com", "https://github.com"),
        ("https://api.github.com/", "https://github.com"),
        ("https://api.acme.ghe.com", "https://acme.ghe.com"),
        ("https://Git.example.org:443/api/v3/", "https://git.example.org"),
        ("http://127.0.0.1:8080/api/v3", "http://127.0.0.1:8080"),
        ("https://api.example.org/api/v3", "https://api.example.org"),
        ("https://git.example.org/hub/api/v3", "https://git.example.org/hub"),
        ("http://[::1]:8080/api/v3", "http://[::1]:8080"),
    ],
)
def test_the_web_address_is_derived_from_the_address_of_the_api(api: str, web: str) -> None:
    assert web_url(api) == web


def test_links_to_pages_have_the_web_address(scripted: GitHub) -> None:
    issue, change = scripted.pages(ANVIL), scripted.pages(replace(ANVIL, kind=Kind.CHANGE))

    assert issue.thread == "https://github.com/acme/anvil/issues/1"
    assert change.thread == "https://github.com/acme/anvil/pull/1"
    assert issue.branch.format(branch="forgehand/1-x") == "https://github.com/acme/anvil/tree/forgehand/1-x"
    assert issue.commit.format(sha="abc") == "https://github.com/acme/anvil/commit/abc"


def test_a_delivery_that_does_not_concern_the_bot_is_not_an_event(scripted: GitHub) -> None:
    assert scripted.events("ping", b"{}") == []
