"""The playground as a process, and the data that survives it."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support import http
from tests.support.playground_github import Playground

SERVE = """
import json, os, sys
from pathlib import Path
from bot.playground.app import serve
serve(
    Path(sys.argv[1]),
    0,
    announce=lambda about: print(json.dumps({**about, "environment": sorted(os.environ)}), flush=True),
)
"""


@pytest.mark.waits
def test_the_playground_announces_itself_and_runs_until_it_is_stopped(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", SERVE, str(tmp_path)], stdout=subprocess.PIPE) as process:
        assert process.stdout
        about: dict[str, Any] = json.loads(process.stdout.readline())
        answer = http.get(f"{about['api']}/repos/acme/anvil/issues/1")
        process.send_signal(signal.SIGTERM)
        process.wait(10)

    assert answer.json()["title"] == "Tidy the parser"
    assert about["api"] == f"{about['url']}/api/v3"
    assert about["repositories"] == ["acme/anvil"]
    assert about["bot_name"] == "forgehand"
    assert {"bot", "ann", "reader"} <= set(about["tokens"])


@pytest.mark.waits
def test_the_playground_finds_its_repositories_in_a_relative_folder(tmp_path: Path) -> None:
    command = [sys.executable, "-c", SERVE, "forge"]
    paths = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=tmp_path, env=paths) as process:
        assert process.stdout
        about: dict[str, Any] = json.loads(process.stdout.readline())
        token = {"Authorization": f"Bearer {about['tokens']['bot']}"}
        answer = http.get(f"{about['api']}/repos/acme/anvil/commits/main", headers=token)
        process.terminate()

    assert answer.status_code == 200, answer.text


@pytest.mark.waits
def test_the_playground_removes_the_variables_of_forgehand_and_git(tmp_path: Path) -> None:
    given = {**os.environ, "FORGEHAND_GITHUB__TOKEN": "s3cret", "GIT_DIR": str(tmp_path / "elsewhere")}
    command = [sys.executable, "-c", SERVE, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=given, text=True) as process:
        assert process.stdout
        names = json.loads(process.stdout.readline())["environment"]
        process.terminate()

    assert "PATH" in names
    assert [name for name in names if name.startswith(("FORGEHAND_", "GIT_"))] == []


def test_the_playgrounds_state_is_in_its_data_folder(tmp_path: Path) -> None:
    with Playground(tmp_path) as before:
        comment = before.comment(1, "remember me")
        before.label(1, "kept")
        before.rename("hammer")

    with Playground(tmp_path) as after:
        assert after.tokens == before.tokens
        assert after.webhook_secret == before.webhook_secret
        after.path = "acme/hammer"
        assert [row["id"] for row in after.comments(1)] == [comment]
        assert after.labels(1) == ["kept"]
        assert after.comment(1, "next") > comment
        assert after.clone_url.endswith("/acme/hammer.git")


def test_malformed_requests_are_answered_as_on_github(playground: Playground) -> None:
    url = f"{playground.api_url}/repos/acme/anvil/issues"
    token = {"Authorization": f"token {playground.token}"}

    assert http.post(url, content=b"{", headers=token).json()["message"] == "Problems parsing JSON"
    half = http.post(url, content=b'{"title": "\\ud800"}', headers=token)
    assert half.json()["message"] == "Problems parsing JSON"
    assert http.post(url, json=[1], headers=token).status_code == 422
    assert http.get(f"{playground.api_url}/nowhere", headers=token).json()["message"] == "Not Found"


def test_users_and_repositories_are_created_on_demand(playground: Playground) -> None:
    playground.tokens["bea"] = playground.ask("POST", "/_playground/users", {"login": "bea"})["token"]

    made = playground.ask("POST", "/_playground/repos", {"owner": "bea", "name": "bell"}, as_="bea")

    playground.path = made["full_name"]
    assert playground.branch_head("main")
    assert playground.ask("GET", "", as_="bea")["permissions"]["admin"]
