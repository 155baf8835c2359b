"""The playground and PyGithub, both checked against GitHub's own description of its API."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from github import Auth, Github
from github.PullRequest import PullRequest

from tests.oracles.check import HERE, check_request, check_response
from tests.oracles.payloads import examples, payloads
from tests.oracles.record import Recorder, check
from tests.support.playground_clones import push_commit
from tests.support.playground_github import Playground
from tests.support.playground_receiver import Receiver


@pytest.fixture
def recorded(tmp_path: Path) -> Iterator[tuple[Playground, Recorder]]:
    recorders: list[Recorder] = []

    def wrap(app: Any) -> Recorder:
        recorders.append(Recorder(app))
        return recorders[0]

    with Playground(tmp_path, wrap=wrap) as playground:
        yield playground, recorders[0]


def drive(playground: Playground, github: Github) -> None:
    """Make every call that the bot makes, by the repository's numeric id."""
    repository = github.get_repo(playground.repository_id)
    github.get_user().login  # noqa: B018 - reading it makes the call
    repository.get_collaborator_permission("ann")
    issue = repository.get_issue(1)
    issue.create_reaction("eyes")
    comment = issue.create_comment("first")
    comment.edit("second")
    comment.create_reaction("eyes")
    list(issue.get_comments())
    list(repository.get_issues_comments(sort="updated"))
    issue.add_to_labels("forgehand")
    list(issue.get_labels())
    issue.remove_from_labels("forgehand")
    sha = push_commit(playground, "forgehand/1-tidy")
    pull = repository.create_pull("main", "forgehand/1-tidy", title="Tidy", body="It is.", draft=True)
    list(repository.get_pulls(state="open", head="acme:forgehand/1-tidy"))
    drive_review(playground, repository.get_pull(pull.number))
    repository.get_branch("forgehand/1-tidy")
    commit = repository.get_commit(sha)
    commit.create_status("success", "https://bot.example/t1", "Pushed.", "forgehand")
    commit.get_combined_status()
    repository.get_git_ref("heads/main")
    comment.delete()


def drive_review(playground: Playground, pull: PullRequest) -> None:
    """Make the calls that the bot makes in a discussion on lines of a diff."""
    asked = playground.inline_comment(pull.number, "notes.txt", 1, "/run shorter")
    pull.get_review_comment(asked).create_reaction("eyes")
    answer = pull.create_review_comment_reply(asked, "first")
    answer.edit("second")
    list(pull.get_review_comments())
    pull.get_review_comment(answer.id).delete()


def test_the_bots_requests_and_their_answers_fit_the_description(
    recorded: tuple[Playground, Recorder],
) -> None:
    playground, recorder = recorded
    auth = Auth.Token(playground.token)

    with Github(
        auth=auth, base_url=playground.api_url, seconds_between_requests=None, seconds_between_writes=None
    ) as github:
        drive(playground, github)

    assert len(recorder.exchanges) >= 30
    for exchange in recorder.exchanges:
        check(exchange)


def test_the_requests_of_people_and_tests_fit_the_description(
    recorded: tuple[Playground, Recorder], tmp_path: Path
) -> None:
    playground, recorder = recorded
    with Receiver() as receiver:
        playground.set_webhook(receiver.url)
        number = playground.open_issue("Another", "with a body")
        playground.edit(playground.comment(number, "hello"), "hello again")
        playground.lock(number)
        receiver.wait(4)
        delivery = playground.deliveries()[0]["id"]
        playground.redeliver(delivery)
        receiver.wait(5)
        hook = playground.ask("GET", "hooks")[0]["id"]
        playground.ask("GET", f"hooks/{hook}/deliveries/{delivery}")
    playground.rename("anvil2")

    assert len(recorder.exchanges) >= 10
    for exchange in recorder.exchanges:
        check(exchange)


def test_a_missing_field_and_a_wrong_type_are_found() -> None:
    with pytest.raises(AssertionError, match="'html_url' is a required property"):
        check_response("POST", "/repos/a/b/issues/1/comments", 201, {"id": 1})
    with pytest.raises(AssertionError, match="'eye' is not one of"):
        check_request("POST", "/repositories/7/issues/comments/1/reactions", {"content": "eye"})


def test_an_omitted_operation_is_unknown() -> None:
    with pytest.raises(AssertionError, match="not among the operations kept"):
        check_request("GET", "/repos/a/b/traffic/views", None)


@pytest.mark.parametrize("file", ["github-openapi.json", "github-payloads.json.gz"])
def test_the_description_is_small_and_names_its_source(file: str) -> None:
    sources = {row["file"]: row for row in json.loads((HERE / "sources.json").read_text())}

    assert (HERE / file).stat().st_size < 1_000_000
    assert sources[file]["licence"] == "MIT"
    assert sources[file]["version"]


def test_the_copy_of_githubs_payloads_is_complete() -> None:
    kept = payloads()

    assert len(kept) == 329
    assert len({event for event, _ in kept}) == 58
    assert all(isinstance(json.loads(body), dict) for _, body in kept)


@pytest.mark.parametrize(
    ("event", "action"), [("issue_comment", "created"), ("issues", "labeled"), ("pull_request", "labeled")]
)
def test_webhooks_have_the_fields_of_real_ones(recorded: Any, event: str, action: str) -> None:
    playground = recorded[0]
    push_commit(playground, "topic")
    with Receiver() as receiver:
        playground.set_webhook(receiver.url)
        pull = playground.open_pull("Topic", head="topic")
        playground.label(pull, "forgehand")
        playground.label(1, "forgehand")
        playground.comment(1, "/run tidy")
        ours = receiver.find(event, action)

    # The fields in every real example. Fields that exist only in some versions are left out.
    real = examples(event, action)
    for part in ("issue", "comment", "pull_request", "label", "sender", "repository"):
        shared = set.intersection(*(set(one.get(part, ())) for one in real))
        assert shared <= set(ours.get(part, ())), part
    assert set.intersection(*(set(one) for one in real)) - {"installation"} <= set(ours)
