"""The forges at a start: only a definite answer refuses it."""

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from urllib3 import Retry

from bot.app.forge_check import check_forges
from bot.domain.errors import BadSettings
from bot.forges.forge import Forge
from bot.forges.github.adapter import GitHub
from bot.forges.gitlab.adapter import GitLab
from tests.support.refused_start import refused_start
from tests.support.scripted_server import Response, Server

ADAPTERS: dict[str, type[GitHub | GitLab]] = {"github": GitHub, "gitlab": GitLab}
ACCOUNT = {"id": 1, "login": "forgehand", "username": "forgehand", "type": "User"}
# A forge of a third kind: GitHub's fields, but no type.
OTHER_FORGE = {"id": 1, "login": "forgehand", "email": "", "is_admin": False}


@pytest.fixture(params=list(ADAPTERS))
def forge(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(Retry, "get_backoff_time", lambda _: 0.0)
    with Server.running() as server:
        yield server


def at(url: str, forge: str) -> dict[str, Forge]:
    return {forge: ADAPTERS[forge](url=url, token="token-x")}


def test_the_forges_own_answer_is_accepted_and_not_asked_for_again(forge: str, server: Server) -> None:
    server.script = [Response(200, ACCOUNT)]
    forges = at(server.url, forge)

    check_forges(forges)

    assert forges[forge].whoami().login == "forgehand"
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    "answer",
    [
        Response(401, {"message": "Bad credentials"}),
        Response(403, {"message": "Forbidden"}),
        Response(404, {"message": "Not Found"}),
        Response(404, raw=b"404 page not found\n"),
        Response(200, raw=b"<html>Sign in"),
        Response(200, {"version": "12.0"}),
        Response(200, []),
        Response(301, headers={"Location": "https://elsewhere.example"}),
    ],
    ids=str,
)
def test_another_api_or_a_refused_token_refuses_the_start(
    forge: str, server: Server, answer: Response
) -> None:
    server.script = [answer] * 2

    with pytest.raises(BadSettings, match=rf"(?s)\[{forge}\] url: .+ Check \[{forge}\] url and token"):
        check_forges(at(server.url, forge))


def test_a_forge_of_a_third_kind_is_not_taken_for_github(server: Server) -> None:
    server.script = [Response(200, OTHER_FORGE)]

    with pytest.raises(BadSettings, match="type is missing"):
        check_forges(at(server.url, "github"))


@pytest.mark.parametrize("status", [500, 502, 503, 429])
def test_a_forge_that_is_away_is_logged_and_asked_again_later(
    forge: str, server: Server, status: int
) -> None:
    server.script = [Response(status)] * (1 if status == 429 else 3) + [Response(200, ACCOUNT)]
    forges = at(server.url, forge)

    with structlog.testing.capture_logs() as logs:
        check_forges(forges)

    assert [(line["event"], line["log_level"], line["forge"]) for line in logs] == [
        ("forge does not answer, commands will ask it again", "warning", forge)
    ]
    assert forges[forge].whoami().login == "forgehand"


@pytest.mark.alike
def test_a_forge_that_is_silent_delays_a_start_by_seconds_only(forge: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        start = time.monotonic()

        check_forges(at(f"http://127.0.0.1:{silent.getsockname()[1]}", forge))

        assert time.monotonic() - start < 9


@pytest.mark.waits
def test_the_bot_refuses_to_start_with_the_api_of_another_forge(server: Server, tmp_path: Path) -> None:
    server.script = [Response(404, raw=b"404 page not found\n")] * 2

    log = refused_start(
        GITHUB__URL=server.url,
        GITHUB__TOKEN="token-x",
        GITHUB__WEBHOOK_SECRETS="a-secret-of-the-webhook",
        DATA__PATH=str(tmp_path / "data"),
        SERVER__PORT="0",
    )

    assert "does not come from GitHub's API" in log
    assert "token-x" not in log
