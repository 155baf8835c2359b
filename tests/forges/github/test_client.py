"""The client and the responses of GitHub, over real HTTP from a server that sends scripted responses.

Tests for both forges are in test_clients.py.
"""

import time

import pytest

from bot.domain.errors import ForgeError, ForgeGone, ForgeUnavailable
from bot.forges.github.client import GitHubClient
from tests.support.scripted_server import Response, Server

TOKEN = "ghp_neverToBeSeen"


@pytest.fixture
def client(server: Server) -> GitHubClient:
    return GitHubClient(server.url, TOKEN)


def test_a_request_carries_the_token_and_its_json(client: GitHubClient, server: Server) -> None:
    answer = client.ask("POST", "/repositories/7/issues", json={"title": "é"})

    assert answer.data == {"path": "/api/v3/repositories/7/issues", "given": {"title": "é"}}
    assert server.tokens == {f"token {TOKEN}"}


@pytest.mark.parametrize("verb", ["POST", "PATCH", "DELETE"])
@pytest.mark.parametrize("status", [403, 429, 500, 502, 503])
def test_a_write_is_never_repeated(client: GitHubClient, server: Server, verb: str, status: int) -> None:
    server.script = [Response(status, {"message": "no"}, {"Retry-After": "7"})]

    with pytest.raises(ForgeUnavailable) as refused:
        client.ask(verb, "/repositories/7/issues/1", json={})

    assert refused.value.retry_after == 7
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("says", "seconds"),
    [
        (Response(403, {"message": "You have exceeded a secondary rate limit."}, {"Retry-After": "30"}), 30),
        (Response(403, {"message": "You have exceeded a secondary rate limit."}), 60),
        (Response(403, {"message": "You have triggered an abuse detection mechanism."}), 60),
        (Response(429, {"message": "Slow down"}), 60),
        (Response(429, {}, {"Retry-After": "3"}), 3),
        (Response(403, {}, {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "0"}), 1),
        (Response(403, {}, {"X-RateLimit-Remaining": "0"}), 60),
    ],
)
def test_a_rate_limit_is_reported_at_once_with_its_delay(
    client: GitHubClient, server: Server, says: Response, seconds: float
) -> None:
    server.script = [says]

    with pytest.raises(ForgeUnavailable) as refused:
        client.ask("GET", "/user")

    assert refused.value.retry_after == seconds
    assert len(server.asked) == 1


def test_a_primary_rate_limit_lasts_until_its_reset(client: GitHubClient, server: Server) -> None:
    reset = {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": str(int(time.time()) + 3000)}
    server.script = [Response(403, {"message": "API rate limit exceeded for user ID 1."}, reset)]

    with pytest.raises(ForgeUnavailable) as refused:
        client.ask("GET", "/user")

    assert refused.value.retry_after == pytest.approx(3000, abs=10)


@pytest.mark.parametrize(
    ("status", "message", "error"),
    [
        (400, "Problems parsing JSON", ForgeError),
        (401, "Bad credentials", ForgeError),
        (403, "Resource not accessible by personal access token", ForgeError),
        (403, "Unable to create comment because issue is locked.", ForgeGone),
        (403, "Repository was archived so is read-only.", ForgeGone),
        (404, "Not Found", ForgeGone),
        (409, "Git Repository is empty.", ForgeError),
        (410, "This issue was deleted", ForgeGone),
        (422, "Validation Failed", ForgeError),
        (451, "Repository access blocked", ForgeGone),
    ],
)
def test_a_definite_refusal_is_reported_with_its_status_and_not_repeated(
    client: GitHubClient, server: Server, status: int, message: str, error: type[ForgeError]
) -> None:
    server.script = [Response(status, {"message": message})]

    with pytest.raises(ForgeError, match=rf"\({status}\)\.$") as refused:
        client.ask("GET", "/repositories/7/issues/1")

    assert type(refused.value) is error
    assert len(server.asked) == 1


def test_a_refusal_contains_each_reason(client: GitHubClient, server: Server) -> None:
    errors = [{"resource": "Label", "code": "missing"}, {"message": "head\nis invalid"}, "and more"]
    server.script = [Response(422, {"message": "Validation Failed", "errors": errors})]

    with pytest.raises(ForgeError, match="refused: Validation Failed; missing; head is invalid; and more"):
        client.ask("POST", "/repositories/7/pulls", json={})


def test_a_response_with_an_invalid_header_is_reported_as_an_unavailable_forge(
    client: GitHubClient, server: Server
) -> None:
    server.script = [Response(201, {"id": 5}, {"X-RateLimit-Reset": "soon"})]

    with pytest.raises(ForgeUnavailable):
        client.ask("POST", "/repositories/7/issues/1/comments", json={})


def test_a_write_to_a_moved_repository_is_repeated_at_its_new_name(
    client: GitHubClient, server: Server
) -> None:
    server.script = [
        Response(307, {"message": "Moved"}, {"Location": "http://evil.example/steal"}),
        Response(200, {"full_name": "acme/forge"}),
        Response(201, {"id": 5}),
    ]

    assert client.ask("POST", "/repositories/7/issues/1/comments", json={"body": "hi"}).data == {"id": 5}
    assert server.asked == [
        ("POST", "/api/v3/repositories/7/issues/1/comments", {"body": "hi"}),
        ("GET", "/api/v3/repositories/7", None),
        ("POST", "/api/v3/repos/acme/forge/issues/1/comments", {"body": "hi"}),
    ]


def test_a_repository_that_moves_repeatedly_is_reported_as_unavailable(
    client: GitHubClient, server: Server
) -> None:
    server.script = [Response(307), Response(200, {"full_name": "acme/forge"}), Response(307)]

    with pytest.raises(ForgeUnavailable, match="moved"):
        client.ask("POST", "/repositories/7/issues/1/comments", json={})


@pytest.mark.parametrize("verb", ["GET", "POST", "DELETE"])
def test_a_thread_that_moved_to_another_repository_is_reported_as_gone(
    client: GitHubClient, server: Server, verb: str
) -> None:
    away = Response(
        301, {"message": "Moved Permanently"}, {"Location": f"{server.url}/repositories/8/issues/3"}
    )
    server.script = [away, Response(200, {"full_name": "acme/anvil"}), away]

    with pytest.raises(ForgeGone, match="moved to another repository"):
        client.ask(verb, "/repositories/7/issues/1/labels")

    assert [path for _, path, _ in server.asked] == [
        "/api/v3/repositories/7/issues/1/labels",
        "/api/v3/repositories/7",
        "/api/v3/repos/acme/anvil/issues/1/labels",
    ]


def test_the_error_for_a_moved_api_names_the_setting_to_change(client: GitHubClient, server: Server) -> None:
    away = Response(301, {}, {"Location": "https://github.example/api/v3/elsewhere"})
    server.script = [away, away]

    with pytest.raises(ForgeError, match=r"\[github\] url"):
        client.ask("POST", "/repositories/7/issues/1/comments", json={})


def test_a_redirect_to_another_host_is_not_followed(client: GitHubClient, server: Server) -> None:
    server.script = [Response(301, {}, {"Location": "http://localhost:1/api/v3/user"})]

    with pytest.raises(ForgeError, match=r"\[github\] url"):
        client.ask("GET", "/user")
