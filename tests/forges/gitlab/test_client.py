"""The client and the responses of GitLab, over real HTTP from a server that sends scripted responses.

Tests for both forges are in test_clients.py.
"""

import time

import pytest

from bot.domain.errors import ForgeError, ForgeGone, ForgeUnavailable
from bot.forges.gitlab.client import GitLabClient, error_text
from tests.support.scripted_server import Response, Server

TOKEN = "glpat-neverToBeSeen"
NOTES = "/projects/7/issues/1/notes"


@pytest.fixture
def client(server: Server) -> GitLabClient:
    return GitLabClient(server.url, TOKEN)


def test_a_request_carries_the_token_its_query_and_its_json(client: GitLabClient, server: Server) -> None:
    answer = client.ask("PUT", "/projects/7/issues/1?a=b%20%26c&d=2", json={"title": "é"})

    path = "/api/v3/api/v4/projects/7/issues/1?a=b+%26c&d=2"
    assert answer.data == {"path": path, "given": {"title": "é"}}
    assert server.tokens == {f"Bearer {TOKEN}"}


def test_a_response_may_have_no_body(client: GitLabClient, server: Server) -> None:
    server.script = [Response(204, raw=b"")]

    assert client.ask("DELETE", f"{NOTES}/5").data is None


@pytest.mark.parametrize("verb", ["POST", "PUT", "DELETE"])
@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_write_is_never_repeated(client: GitLabClient, server: Server, verb: str, status: int) -> None:
    server.script = [Response(status, {"message": "no"}, {"Retry-After": "7"})]

    with pytest.raises(ForgeUnavailable) as refused:
        client.ask(verb, NOTES, json={})

    assert refused.value.retry_after == 7
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, 60),
        ({"Retry-After": "3"}, 3),
        ({"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}, 60),
        ({"RateLimit-Reset": "0"}, 1),
        ({"Retry-After": "3", "RateLimit-Reset": "0"}, 3),
        ({"RateLimit-Reset": "soon"}, 60),
    ],
)
def test_a_rate_limit_is_reported_at_once_with_its_delay(
    client: GitLabClient, server: Server, headers: dict[str, str], seconds: float
) -> None:
    error = {"error": "This endpoint has been requested too many times. Try again later."}
    server.script = [Response(429, {"message": error}, headers)]

    with pytest.raises(ForgeUnavailable) as refused:
        client.ask("GET", "/user")

    assert refused.value.retry_after == seconds
    assert len(server.asked) == 1


def test_a_rate_limit_lasts_until_its_reset(client: GitLabClient, server: Server) -> None:
    server.script = [Response(429, {}, {"RateLimit-Reset": str(int(time.time()) + 600)})]

    with pytest.raises(ForgeUnavailable) as refused:
        client.ask("GET", "/user")

    assert refused.value.retry_after == pytest.approx(600, abs=10)


def test_a_resource_locked_by_another_request_is_reported_as_unavailable(
    client: GitLabClient, server: Server
) -> None:
    server.script = [Response(409, {"message": "409 Conflict: Resource lock"})]

    with pytest.raises(ForgeUnavailable):
        client.ask("POST", "/projects/7/statuses/abc", json={})
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("status", "message", "error"),
    [
        (400, '400 Bad request - Note {:note=>["can\'t be blank"]}', ForgeError),
        (401, "401 Unauthorized", ForgeError),
        (403, "403 Forbidden", ForgeError),
        (403, "The discussion is locked.", ForgeGone),
        (403, "The project is archived.", ForgeGone),
        (404, "404 Project Not Found", ForgeGone),
        (405, "405 Method Not Allowed", ForgeError),
        (409, ["Another open merge request already exists for this source branch: !3"], ForgeError),
        (410, "410 Gone", ForgeGone),
        (422, {"base": ["is invalid"]}, ForgeError),
    ],
)
def test_a_definite_refusal_is_reported_with_its_status_and_not_repeated(
    client: GitLabClient, server: Server, status: int, message: object, error: type[ForgeError]
) -> None:
    server.script = [Response(status, {"message": message})]

    with pytest.raises(ForgeError, match=rf"\({status}\)\.$") as refused:
        client.ask("GET", "/projects/7/issues/1")

    assert type(refused.value) is error
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"message": "404 Project Not Found"}, "404 Project Not Found"),
        ({"message": ["one", "two\nlines"]}, "one, two lines"),
        (
            {"message": {"title": ["is too long", "is rude"], "base": "no"}},
            "title is too long, is rude, base no",
        ),
        ({"message": {"error": {"deep": [{"er": None}]}}}, "error deep er None"),
        ({"error": "title is missing"}, "title is missing"),
        (
            {"error": "insufficient_scope", "error_description": "Needs api."},
            "insufficient_scope; Needs api.",
        ),
        ({"message": ""}, "no reason given"),
        ({"message": "x" * 400}, "x" * 300),
        (["not", "this"], "no reason given"),
        ("nor this", "no reason given"),
        (7, "no reason given"),
        (None, "no reason given"),
    ],
)
def test_the_reason_in_a_response_of_gitlab_is_one_line(
    client: GitLabClient, server: Server, data: object, said: str
) -> None:
    server.script = [Response(422, data)]

    assert error_text(client.ask("GET", "/user", accepted=(422,))) == said


@pytest.mark.parametrize("verb", ["GET", "POST"])
@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_not_followed(client: GitLabClient, server: Server, verb: str, status: int) -> None:
    with Server.running() as elsewhere:
        server.script = [Response(status, {}, {"Location": f"{elsewhere.url}/steal"})]

        with pytest.raises(ForgeError, match=r"\[gitlab\] url"):
            client.ask(verb, NOTES, json={"body": "hi"})

        assert elsewhere.asked == []
    assert len(server.asked) == 1


def test_a_redirect_without_a_target_is_refused(client: GitLabClient, server: Server) -> None:
    server.script = [Response(304, raw=b"")]

    with pytest.raises(ForgeError, match=r"\[gitlab\] url"):
        client.ask("GET", "/user")
