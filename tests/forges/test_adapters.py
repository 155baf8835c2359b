"""The adapters of both forges, with requests to their playgrounds over HTTP.

Tests for one forge only are in its own folder.
"""

import base64
import json
from dataclasses import replace
from pathlib import Path

import pytest

from bot.domain.change import CheckState
from bot.domain.errors import ForgeError, ForgeGone, ForgeUnavailable, ForgeUnrecognized
from bot.domain.repository_url import canonical
from bot.domain.thread import Actor, Kind, ReplyTarget, Thread
from bot.forges.forge import Forge
from tests.forges.adapter_calls import HERE, MARKER, actor, anvil, new_change, status
from tests.forges.conftest import ADAPTERS
from tests.support.playground_clones import clone, push, push_commit
from tests.support.playground_faults import Fault, Faults
from tests.support.playground_github import Playground
from tests.support.playground_gitlab import AnyPlayground
from tests.support.playground_receiver import Receiver
from tests.support.scripted_server import Response, Server
from tests.support.waiting import eventually

COMMENTS, CHANGES = "/(comments|notes)$", "/(pulls|merge_requests)$"
SUB = {"github": "", "gitlab": "/api/v3"}  # the scripted server is like an instance below a path
COMMENTED = {"issue_comment", "Note Hook"}
RIGHTS = "/(permission$|members/all/)"

# Accounts


def test_an_adapter_knows_its_own_account(forge: Forge, playground: AnyPlayground) -> None:
    assert forge.whoami() == actor(playground, "bot")
    assert forge.whoami() is forge.whoami()


@pytest.mark.parametrize(
    ("permission", "may"),
    [("pull", False), ("triage", False), ("push", True), ("maintain", True), ("admin", True)],
)
def test_people_with_at_least_write_access_are_permitted(
    forge: Forge, playground: AnyPlayground, thread: Thread, permission: str, *, may: bool
) -> None:
    playground.set_permission("reader", permission)

    assert forge.may_write(thread, actor(playground, "reader")) is may


def test_an_unknown_account_may_not_write(forge: Forge, playground: AnyPlayground, thread: Thread) -> None:
    assert not forge.may_write(thread, actor(playground, "reader"))
    assert not forge.may_write(thread, Actor(id=999, login="no body"))


def test_a_permission_that_cannot_be_read_is_not_a_refusal(scripted: Forge, server: Server) -> None:
    server.script = [Response(502)] * 3

    with pytest.raises(ForgeUnavailable):
        scripted.may_write(anvil(scripted.name), Actor(id=1, login="ann"))


def test_a_missing_route_is_not_a_missing_permission(scripted: Forge, server: Server) -> None:
    server.script = [Response(404, raw=b"404 page not found\n")]

    with pytest.raises(ForgeUnrecognized):
        scripted.may_write(anvil(scripted.name), Actor(id=1, login="ann"))


# Repositories and changes


def test_a_repository_is_found_by_its_id_after_a_rename(forge: Forge, playground: AnyPlayground) -> None:
    playground.rename("hammer")

    found = forge.repository(playground.repository_id)

    assert (found.path, found.url, found.default_branch) == (
        "acme/hammer",
        f"{playground.url}/acme/hammer",
        "main",
    )


def repository_json(name: object, repository_id: object = 7) -> dict[str, object]:
    """Return a repository with the fields of both forges, whose links name another host."""
    links = dict.fromkeys(["html_url", "web_url", "clone_url"], "https://evil.example/acme/anvil")
    names = {"full_name": name, "path_with_namespace": name}
    return {"id": repository_id, "default_branch": "main", **names, **links}


def test_the_address_of_a_repository_is_not_taken_from_the_links_in_a_response(
    scripted: Forge, server: Server
) -> None:
    server.script = [Response(200, repository_json("acme/hammer"))]

    found = scripted.repository(7)

    assert found.url == f"{server.url.removesuffix('/api/v3')}{SUB[scripted.name]}/acme/hammer"
    assert found.path == "acme/hammer"


@pytest.mark.parametrize(
    ("name", "repository_id"),
    [("acme/..", 7), ("https://evil.example/x", 7), (None, 7), ("acme/anvil", 8), ("acme/anvil", 2**63)],
)
def test_a_response_with_another_repository_or_an_invalid_name_is_refused(
    scripted: Forge, server: Server, name: object, repository_id: object
) -> None:
    server.script = [Response(200, repository_json(name, repository_id))]

    with pytest.raises(ForgeError, match="response cannot be read"):
        scripted.repository(7)


@pytest.mark.parametrize("number", [0, 2**63])
def test_an_id_that_the_ledger_cannot_store_is_refused(scripted: Forge, server: Server, number: int) -> None:
    me = {"id": 5, "login": "bot", "username": "bot", "type": "User"}
    comment = {"id": number, "user": me, "author": me, "body": MARKER}
    change = {"number": number, "iid": number, "html_url": "x", "web_url": "x"}
    server.script = [Response(200, {**me, "id": number})]
    with pytest.raises(ForgeError, match="id is out of range"):
        scripted.whoami()
    server.script = [Response(201, comment)]
    with pytest.raises(ForgeError, match="id is out of range"):
        scripted.comment(anvil(scripted.name), "hello?", HERE)
    server.script = [Response(200, me), Response(200, [comment])]
    with pytest.raises(ForgeError, match="id is out of range"):
        scripted.find_comments(anvil(scripted.name), MARKER, HERE)
    compared = [] if scripted.name == "github" else [Response(200, {"commits": [{}]})]
    server.script = [*compared, Response(201, change)]
    with pytest.raises(ForgeError, match="is out of range"):
        scripted.open_change(anvil(scripted.name), new_change("topic"))


def test_repositories_are_below_the_web_address_of_the_settings(playground: AnyPlayground) -> None:
    web = "https://code.example.org/people"
    forge = ADAPTERS[playground.forge](url=playground.api_url, token=playground.token, web=f"{web}/")

    assert forge.repository(playground.repository_id).url == f"{web}/acme/anvil"
    assert forge.git_headers(f"{web}/acme/anvil")
    assert forge.git_headers(playground.html_url) == {}


def test_a_delivery_and_the_api_give_a_repository_the_same_address(
    forge: Forge, playground: AnyPlayground
) -> None:
    """Earlier versions took the address from the delivery, so a ledger of theirs remains valid."""
    kind = {"github": "X-GitHub-Event", "gitlab": "X-Gitlab-Event"}[forge.name]
    with Receiver() as receiver:
        playground.set_webhook(receiver.url)
        playground.comment(1, "/run tidy")
        eventually(lambda: [headers for headers, _ in list(receiver.got) if headers[kind] in COMMENTED])
        [(event, body)] = [(at[kind], body) for at, body in list(receiver.got) if at[kind] in COMMENTED]
    [heard] = forge.events(event, body)
    said = json.loads(body)

    there = forge.repository(playground.repository_id)

    assert (heard.thread.path, heard.thread.repository_url) == (there.path, there.url)
    assert canonical(said.get("project", {}).get("web_url") or said["repository"]["html_url"]) == there.url


def test_a_missing_repository_is_reported_as_gone(forge: Forge) -> None:
    with pytest.raises(ForgeGone):
        forge.repository(999_999)


def test_the_head_of_a_change_has_its_commit_and_its_branches(
    forge: Forge, playground: AnyPlayground, thread: Thread
) -> None:
    sha = push_commit(playground, "topic")
    number = playground.open_pull("Mine", head="topic")

    head = forge.change_head(replace(thread, kind=Kind.CHANGE, number=number))

    assert (head.head, head.head_branch, head.base_branch, head.default_branch) == (
        sha,
        "topic",
        "main",
        "main",
    )
    assert head.same_repository
    assert head.open


# Reactions and comments


def test_a_repeated_reaction_to_a_comment_or_a_thread_is_added_once(
    forge: Forge, playground: AnyPlayground, thread: Thread
) -> None:
    comment = playground.comment(1, "/run tidy")

    for _ in range(2):
        forge.react(thread, ReplyTarget(comment_id=comment))
        forge.react(thread, HERE)

    assert playground.reactions(comment) == ["eyes"]
    assert playground.issue_reactions(1) == ["eyes"]


def test_a_comment_is_written_edited_found_and_deleted(
    forge: Forge, playground: AnyPlayground, thread: Thread
) -> None:
    playground.comment(1, f"not mine {MARKER}")
    comment = forge.comment(thread, "Running. 😀", HERE)
    forge.edit_comment(thread, comment, f"Done. {MARKER}", HERE)

    assert playground.comments(1)[-1]["body"] == f"Done. {MARKER}"
    assert forge.find_comments(thread, MARKER, HERE) == [comment]
    forge.delete_comment(thread, comment, HERE)
    forge.delete_comment(thread, comment, HERE)
    assert forge.find_comments(thread, MARKER, HERE) == []


def test_a_comment_is_answered_once_a_person_reacts_to_it(
    forge: Forge, playground: AnyPlayground, thread: Thread
) -> None:
    comment = forge.comment(thread, "Running.", HERE)
    assert not forge.is_answered(thread, comment, HERE)
    assert not forge.is_answered(thread, 999_999, HERE)

    forge.react(thread, ReplyTarget(comment_id=comment))

    assert forge.is_answered(thread, comment, HERE)


def test_a_comment_in_a_discussion_is_answered_by_a_reply_but_not_by_a_command(
    forge: Forge, playground: AnyPlayground, thread: Thread
) -> None:
    push_commit(playground, "topic")
    number = playground.open_pull("Mine", head="topic")
    change = replace(thread, kind=Kind.CHANGE, number=number)
    said = playground.inline_comment(number, "notes.txt", 1, "/run tidy")
    discussion = said if isinstance(playground, Playground) else playground.discussion(number, said)["id"]
    target = ReplyTarget(comment_id=said, discussion=str(discussion))
    comment = forge.comment(change, "Running.", target)

    playground.reply_inline(number, said, "/cancel")
    forge.comment(change, "Stopping.", target)
    assert not forge.is_answered(change, comment, target)
    assert not forge.is_answered(change, 999_999, target)

    playground.reply_inline(number, said, "Why so long?")
    assert forge.is_answered(change, comment, target)


def test_the_bot_can_comment_edit_and_react_after_a_rename_of_the_repository(
    forge: Forge, playground: AnyPlayground, thread: Thread
) -> None:
    comment = forge.comment(thread, "before", HERE)
    playground.rename("hammer")

    forge.edit_comment(thread, comment, "after", HERE)
    forge.comment(thread, "new", HERE)
    forge.react(thread, ReplyTarget(comment_id=comment))

    assert [each["body"] for each in playground.comments(1)] == ["after", "new"]


def test_a_comment_above_the_size_limit_of_the_forge_is_refused(forge: Forge, thread: Thread) -> None:
    forge.comment(thread, "x" * forge.comment_limit(), HERE)

    with pytest.raises(ForgeError, match="too long"):
        forge.comment(thread, "x" * (forge.comment_limit() + 1), HERE)


def test_a_deleted_thread_is_reported_as_gone(
    forge: Forge, playground: AnyPlayground, thread: Thread
) -> None:
    playground.delete_issue(1)

    with pytest.raises(ForgeGone, match={"github": "410", "gitlab": "404"}[forge.name]):
        forge.comment(thread, "hello?", HERE)


def test_an_exhausted_rate_limit_has_the_time_until_its_end(
    forge: Forge, playground: AnyPlayground, thread: Thread
) -> None:
    playground.exhaust(playground.bot_name, 600)

    with pytest.raises(ForgeUnavailable) as refused:
        forge.comment(thread, "hello?", HERE)

    assert refused.value.retry_after == pytest.approx(600, abs=15)


# Failures of the forge


@pytest.mark.parametrize("fault", [Fault.LOST_ANSWER, Fault.BAD_GATEWAY, Fault.DOWN])
def test_a_write_without_a_response_is_not_repeated_and_can_be_searched_for(
    forge: Forge, thread: Thread, faults: Faults, fault: Fault
) -> None:
    faults.inject(fault, "POST", COMMENTS, times=9)

    with pytest.raises(ForgeUnavailable):
        forge.comment(thread, MARKER, HERE)

    assert len(faults.hit) == 1
    written = 1 if fault is Fault.LOST_ANSWER else 0
    assert len(forge.find_comments(thread, MARKER, HERE)) == written


def test_a_change_whose_response_was_lost_is_found_by_the_next_request(
    forge: Forge, playground: AnyPlayground, thread: Thread, faults: Faults
) -> None:
    push_commit(playground, "topic")
    faults.inject(Fault.LOST_ANSWER, "POST", CHANGES)

    with pytest.raises(ForgeUnavailable):
        forge.open_change(thread, new_change("topic"))
    change = forge.open_change(thread, new_change("topic"))

    assert change is not None
    assert [change.number] == [pull["number"] for pull in playground.pulls()]


@pytest.mark.parametrize("fault", [Fault.BAD_GATEWAY, Fault.DOWN])
def test_a_failed_read_is_repeated(
    forge: Forge, playground: AnyPlayground, thread: Thread, faults: Faults, fault: Fault
) -> None:
    faults.inject(fault, "GET", RIGHTS)

    assert forge.may_write(thread, actor(playground, "ann"))
    assert len(faults.hit) == 1


# Statuses and changes


def test_a_status_of_a_missing_commit_is_refused(forge: Forge, thread: Thread) -> None:
    with pytest.raises(ForgeError, match={"github": "No commit found", "gitlab": "404"}[forge.name]):
        forge.set_status(thread, "0" * 40, status(CheckState.ERROR))


def test_a_change_is_opened_once_and_found_again(
    forge: Forge, playground: AnyPlayground, thread: Thread
) -> None:
    push_commit(playground, "forgehand/1-tidy")
    opened = forge.open_change(thread, new_change("forgehand/1-tidy"))
    playground.rename("hammer")

    assert opened is not None
    (pull,) = playground.pulls()
    assert (pull["draft"], pull["title"], pull["number"]) == (True, "Tidy", opened.number)
    again = forge.open_change(thread, new_change("forgehand/1-tidy", draft=False))
    assert again is not None
    assert (again.number, again.url) == (opened.number, pull["html_url"])


def test_a_change_is_not_opened_for_a_branch_without_new_commits(
    forge: Forge, playground: AnyPlayground, thread: Thread, tmp_path: Path
) -> None:
    clone(playground, tmp_path / "clone")
    push(tmp_path / "clone", playground, "topic")

    assert forge.open_change(thread, new_change("topic")) is None
    assert playground.pulls() == []


def test_a_change_from_a_missing_branch_is_refused(forge: Forge, thread: Thread) -> None:
    with pytest.raises(ForgeError, match={"github": "422", "gitlab": "does not exist"}[forge.name]):
        forge.open_change(thread, new_change("nowhere"))


# Credentials


def test_git_gets_the_token_only_for_the_forges_own_address(forge: Forge, playground: AnyPlayground) -> None:
    login = {"github": "x-access-token", "gitlab": "oauth2"}[forge.name]
    basic = base64.b64encode(f"{login}:{playground.token}".encode()).decode()

    assert forge.git_headers(playground.html_url) == {"Authorization": f"Basic {basic}"}
    assert forge.git_headers(playground.clone_url) == {"Authorization": f"Basic {basic}"}
    for other in [
        playground.html_url.replace("http:", "https:"),
        "http://127.0.0.1/acme/anvil",
        f"{playground.url[:-1]}/acme/anvil",
        "https://evil.example/acme/anvil",
        f"https://{playground.url.removeprefix('http://')}@evil.example/acme/anvil",
        "file:///srv/anvil.git",
    ]:
        assert forge.git_headers(other) == {}
