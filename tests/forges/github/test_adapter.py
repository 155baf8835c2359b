"""Each thing the bot asks of GitHub, asked of the playground over HTTP."""

import base64
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from starlette.types import ASGIApp

from bot.errors import ForgeError, ForgeGone, ForgeUnavailable
from bot.forges.forge import Forge, NewChange, Status, Verdict
from bot.forges.github import GitHub
from bot.forges.github.adapter import web_url
from bot.model import Actor, Kind, Spot, Thread
from tests.oracles.record import Recorder, check
from tests.playground.faults import Fault, Faults
from tests.playground.pushing import clone, push, push_commit
from tests.playground_client import Playground
from tests.scripted_server import Says, Server

HERE = Spot()

MARKER = "<!-- forgehand:t1:final -->"
ANVIL = Thread(
    forge="github",
    repository_id=7,
    repository_url="https://github.com/acme/anvil",
    path="acme/anvil",
    kind=Kind.ISSUE,
    number=1,
)


@pytest.fixture
def wrapped() -> list[Recorder | Faults]:
    """What is around the playground, from within."""
    return []


@pytest.fixture
def playground(tmp_path: Path, wrapped: list[Recorder | Faults]) -> Iterator[Playground]:
    """Whatever the adapter says to it is held against GitHub's own description afterwards."""

    def wrap(app: ASGIApp) -> ASGIApp:
        wrapped.extend([recorder := Recorder(app), Faults(recorder)])
        return wrapped[-1]

    with Playground(tmp_path / "playground", wrap=wrap) as playground:
        yield playground
        recorder = wrapped[0]
        assert isinstance(recorder, Recorder)
        for exchange in recorder.exchanges:
            if "/repositories/" in exchange.path:
                check(exchange)


@pytest.fixture
def faults(playground: Playground, wrapped: list[Recorder | Faults]) -> Faults:
    faults = wrapped[-1]
    assert isinstance(faults, Faults)
    return faults


@pytest.fixture
def forge(playground: Playground) -> GitHub:
    return GitHub(url=playground.api_url, token=playground.token)


@pytest.fixture
def thread(playground: Playground) -> Thread:
    """The issue a playground begins with."""
    return replace(ANVIL, repository_id=playground.repository_id, repository_url=playground.html_url)


@pytest.fixture
def server() -> Iterator[Server]:
    with Server.running() as server:
        yield server


@pytest.fixture
def scripted(server: Server) -> GitHub:
    return GitHub(url=server.url, token="ghp_x")


def wanted(head_branch: str, *, base_branch: str = "main", draft: bool = True) -> NewChange:
    return NewChange(
        head_branch=head_branch, base_branch=base_branch, title="Tidy", body="Done.", draft=draft
    )


def status(verdict: Verdict, description: str = "Running.", url: str = "https://bot.example/t1") -> Status:
    return Status(verdict=verdict, description=description, url=url)


def actor(playground: Playground, login: str) -> Actor:
    user = playground.ask("GET", "/api/v3/user", as_=login)
    return Actor(id=user["id"], login=user["login"])


# Who


def test_it_knows_itself(forge: GitHub, playground: Playground) -> None:
    held: Forge = forge

    assert held.whoami() == actor(playground, "bot")
    assert held.whoami() is held.whoami()


@pytest.mark.parametrize(
    ("permission", "may"),
    [("pull", False), ("triage", False), ("push", True), ("maintain", True), ("admin", True)],
)
def test_whoever_has_write_or_better_may(
    forge: GitHub, playground: Playground, thread: Thread, permission: str, *, may: bool
) -> None:
    playground.set_permission("reader", permission)

    assert forge.may_write(thread, actor(playground, "reader")) is may


def test_nobody_and_who_is_not_there_may_not(forge: GitHub, playground: Playground, thread: Thread) -> None:
    assert not forge.may_write(thread, actor(playground, "reader"))
    assert not forge.may_write(thread, Actor(id=999, login="no body"))


def test_a_login_that_passed_to_somebody_else_may_not(
    forge: GitHub, playground: Playground, thread: Thread
) -> None:
    ann = actor(playground, "ann")

    assert forge.may_write(thread, ann)
    assert not forge.may_write(thread, replace(ann, id=ann.id + 1))


def test_a_permission_that_cannot_be_had_is_not_a_no(scripted: GitHub, server: Server) -> None:
    server.script = [Says(502)] * 3

    with pytest.raises(ForgeUnavailable):
        scripted.may_write(ANVIL, Actor(id=1, login="ann"))


# What is there


def test_a_repository_is_found_by_its_id_after_a_rename(forge: GitHub, playground: Playground) -> None:
    playground.rename("hammer")

    found = forge.repository(playground.repository_id)

    assert (found.path, found.url, found.default_branch) == (
        "acme/hammer",
        f"{playground.url}/acme/hammer",
        "main",
    )


def test_a_repository_that_is_not_there_is_gone(forge: GitHub) -> None:
    with pytest.raises(ForgeGone):
        forge.repository(999_999)


def test_a_change_has_a_head(forge: GitHub, playground: Playground, thread: Thread) -> None:
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


@pytest.mark.parametrize("fork", [None, {"id": 8}])
def test_a_change_from_a_fork_even_a_deleted_one_is_told_apart(
    scripted: GitHub, server: Server, fork: object
) -> None:
    head = {"sha": "a" * 40, "ref": "topic", "repo": fork}
    base = {"ref": "main", "repo": {"id": 7, "default_branch": "main"}}
    server.script = [Says(200, {"head": head, "base": base, "state": "closed"})]

    found = scripted.change_head(ANVIL)

    assert not found.same_repository
    assert not found.open


# Labels, reactions, comments


def test_a_label_is_seen_in_any_case_and_taken_off_twice(
    forge: GitHub, playground: Playground, thread: Thread
) -> None:
    playground.label(1, "Forgehand / now")

    assert forge.has_label(thread, "forgehand / now")
    forge.remove_label(thread, "forgehand / now")
    forge.remove_label(thread, "forgehand / now")
    assert not forge.has_label(thread, "forgehand / now")


def test_eyes_are_put_on_a_comment_or_on_the_thread_once(
    forge: GitHub, playground: Playground, thread: Thread
) -> None:
    comment = playground.comment(1, "/run tidy")

    for _ in range(2):
        forge.react(thread, Spot(comment_id=comment))
        forge.react(thread, HERE)

    assert playground.reactions(comment) == ["eyes"]
    assert playground.issue_reactions(1) == ["eyes"]


def test_a_comment_is_written_edited_found_and_deleted(
    forge: GitHub, playground: Playground, thread: Thread
) -> None:
    playground.comment(1, f"not mine {MARKER}")
    comment = forge.comment(thread, "Running. 😀", HERE)
    forge.edit_comment(thread, comment, f"Done. {MARKER}", HERE)

    assert playground.comments(1)[-1]["body"] == f"Done. {MARKER}"
    assert forge.find_comments(thread, MARKER, HERE) == [comment]
    forge.delete_comment(thread, comment, HERE)
    forge.delete_comment(thread, comment, HERE)
    assert forge.find_comments(thread, MARKER, HERE) == []


def test_comments_are_found_among_the_newest_of_many(
    forge: GitHub, playground: Playground, thread: Thread
) -> None:
    first = forge.comment(thread, MARKER, HERE)
    second = forge.comment(thread, MARKER, HERE)
    for _ in range(3):
        for _ in range(99):
            playground.comment(1, "chatter")
        assert forge.find_comments(thread, MARKER, HERE) == [first, second]

    third = forge.comment(thread, MARKER, HERE)
    playground.comment(1, "and one on a fourth page")

    assert forge.find_comments(thread, MARKER, HERE) == [third]


def test_what_the_bot_writes_survives_a_rename(forge: GitHub, playground: Playground, thread: Thread) -> None:
    comment = forge.comment(thread, "before", HERE)
    playground.rename("hammer")

    forge.edit_comment(thread, comment, "after", HERE)
    forge.comment(thread, "new", HERE)
    forge.react(thread, Spot(comment_id=comment))

    assert [each["body"] for each in playground.comments(1)] == ["after", "new"]


def test_a_comment_too_long_is_refused_and_told(forge: GitHub, thread: Thread) -> None:
    forge.comment(thread, "x" * forge.comment_limit(), HERE)

    with pytest.raises(ForgeError, match="too long"):
        forge.comment(thread, "x" * (forge.comment_limit() + 1), HERE)


def test_a_locked_thread_is_closed_to_the_bot(forge: GitHub, playground: Playground, thread: Thread) -> None:
    playground.lock(1)

    with pytest.raises(ForgeGone, match="locked"):
        forge.comment(thread, "hello?", HERE)


def test_an_archived_repository_is_closed_to_the_bot(
    forge: GitHub, playground: Playground, thread: Thread
) -> None:
    playground.archive()

    with pytest.raises(ForgeGone, match="archived"):
        forge.comment(thread, "hello?", HERE)


def test_a_deleted_thread_is_gone(forge: GitHub, playground: Playground, thread: Thread) -> None:
    playground.delete_issue(1)

    with pytest.raises(ForgeGone, match="410"):
        forge.comment(thread, "hello?", HERE)


def test_an_answer_without_an_id_is_not_a_comment(scripted: GitHub, server: Server) -> None:
    server.script = [Says(201, {"message": "Moved"})]

    with pytest.raises(ForgeUnavailable):
        scripted.comment(ANVIL, "hello?", HERE)


def test_a_used_up_hour_names_when_it_ends(forge: GitHub, playground: Playground, thread: Thread) -> None:
    playground.exhaust(playground.bot_name, 600)

    with pytest.raises(ForgeUnavailable) as refused:
        forge.comment(thread, "hello?", HERE)

    assert refused.value.retry_after == pytest.approx(600, abs=15)


# When the forge fails in between


@pytest.mark.parametrize("fault", [Fault.LOST_ANSWER, Fault.BAD_GATEWAY, Fault.DOWN])
def test_a_write_without_an_answer_is_not_repeated_but_can_be_looked_for(
    forge: GitHub, playground: Playground, thread: Thread, faults: Faults, fault: Fault
) -> None:
    faults.inject(fault, "POST", "/comments$", times=9)

    with pytest.raises(ForgeUnavailable):
        forge.comment(thread, MARKER, HERE)

    assert len(faults.hit) == 1
    written = 1 if fault is Fault.LOST_ANSWER else 0
    assert len(forge.find_comments(thread, MARKER, HERE)) == written


def test_a_change_whose_answer_was_lost_is_found_the_next_time(
    forge: GitHub, playground: Playground, thread: Thread, faults: Faults
) -> None:
    push_commit(playground, "topic")
    faults.inject(Fault.LOST_ANSWER, "POST", "/pulls$")

    with pytest.raises(ForgeUnavailable):
        forge.open_change(thread, wanted("topic"))
    change = forge.open_change(thread, wanted("topic"))

    assert change is not None
    assert [change.number] == [pull["number"] for pull in playground.pulls()]


@pytest.mark.parametrize("fault", [Fault.BAD_GATEWAY, Fault.DOWN])
def test_a_read_is_repeated(
    forge: GitHub, playground: Playground, thread: Thread, faults: Faults, fault: Fault
) -> None:
    faults.inject(fault, "GET", "/permission$")

    assert forge.may_write(thread, actor(playground, "ann"))
    assert len(faults.hit) == 1


def test_a_secondary_limit_says_when_to_come_back(
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


def test_a_status_is_set_and_its_description_cut(
    forge: GitHub, playground: Playground, thread: Thread
) -> None:
    sha = push_commit(playground, "topic")
    forge.set_status(thread, sha, status(Verdict.PENDING))
    forge.set_status(thread, sha, status(Verdict.SUCCESS, "é" * 200, url=""))

    last, first = playground.statuses(sha)

    assert (first["state"], first["context"], first["target_url"]) == (
        "pending",
        "forgehand",
        "https://bot.example/t1",
    )
    assert (last["state"], last["description"], last["target_url"]) == ("success", "é" * 140, None)


def test_a_status_on_a_commit_that_is_not_there_is_refused(forge: GitHub, thread: Thread) -> None:
    with pytest.raises(ForgeError, match="No commit found"):
        forge.set_status(thread, "0" * 40, status(Verdict.ERROR))


def test_a_change_is_opened_once_and_found_again(
    forge: GitHub, playground: Playground, thread: Thread
) -> None:
    push_commit(playground, "forgehand/1-tidy")
    opened = forge.open_change(thread, wanted("forgehand/1-tidy"))
    playground.rename("hammer")

    assert opened is not None
    (pull,) = playground.pulls()
    assert (pull["draft"], pull["title"], pull["number"]) == (True, "Tidy", opened.number)
    again = forge.open_change(thread, wanted("forgehand/1-tidy", draft=False))
    assert again is not None
    assert (again.number, again.url) == (opened.number, pull["html_url"])


def test_no_commits_between_is_no_change(
    forge: GitHub, playground: Playground, thread: Thread, tmp_path: Path
) -> None:
    clone(playground, tmp_path / "clone")
    push(tmp_path / "clone", playground, "topic")

    assert forge.open_change(thread, wanted("topic")) is None
    assert playground.pulls() == []


def test_a_change_from_a_branch_that_is_not_there_is_refused(forge: GitHub, thread: Thread) -> None:
    with pytest.raises(ForgeError, match="422"):
        forge.open_change(thread, wanted("nowhere"))


def test_where_drafts_are_not_in_the_plan_a_change_is_opened_ready(scripted: GitHub, server: Server) -> None:
    # Only private repositories of the free plan answer like this.
    no = {"message": "Draft pull requests are not supported in this repository."}
    server.script = [
        Says(422, no),
        Says(201, {"number": 5, "html_url": "https://github.com/acme/anvil/pull/5"}),
    ]

    change = scripted.open_change(ANVIL, wanted("topic"))

    assert change is not None
    assert change.number == 5
    assert [given["draft"] for _, _, given in server.asked] == [True, False]


# Addresses and credentials


def test_git_gets_the_token_for_the_forges_own_address_only(forge: GitHub, playground: Playground) -> None:
    basic = base64.b64encode(f"x-access-token:{playground.token}".encode()).decode()

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


@pytest.mark.parametrize(
    ("api", "web"),
    [
        ("https://api.github.com", "https://github.com"),
        ("https://api.github.com/", "https://github.com"),
        ("https://api.acme.ghe.com", "https://acme.ghe.com"),
        ("https://Git.example.org:443/api/v3/", "https://git.example.org"),
        ("http://127.0.0.1:8080/api/v3", "http://127.0.0.1:8080"),
        ("https://api.example.org/api/v3", "https://api.example.org"),
    ],
)
def test_repositories_live_beside_the_api(api: str, web: str) -> None:
    assert web_url(api) == web


def test_pages_are_where_people_look(scripted: GitHub) -> None:
    issue, change = scripted.pages(ANVIL), scripted.pages(replace(ANVIL, kind=Kind.CHANGE))

    assert issue.thread == "https://github.com/acme/anvil/issues/1"
    assert change.thread == "https://github.com/acme/anvil/pull/1"
    assert issue.branch.format(branch="forgehand/1-x") == "https://github.com/acme/anvil/tree/forgehand/1-x"
    assert issue.commit.format(sha="abc") == "https://github.com/acme/anvil/commit/abc"


def test_a_delivery_that_says_nothing_to_us_is_no_event(scripted: GitHub) -> None:
    assert scripted.events("ping", b"{}") == []
