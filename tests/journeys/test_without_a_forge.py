"""`forgehand run` on any git remote that this machine can push to: no forge, no webhook, no running bot.

The remotes: a folder, a plain `git http-backend` without login, and a repository on the host of a
forge whose token is configured.
"""

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bot.playground.git_http import backend
from tests.journeys.world import AGENT, shell
from tests.support.asgi_server import listening
from tests.support.cli_sandbox import LONG, Desk, at_a_desk
from tests.support.playground_github import Playground

CHANGE = "echo these words; echo one > one.txt; git add one.txt; git commit -qm one; echo left > left.txt"
FAILS = "echo two > two.txt; git add two.txt; git commit -qm two; echo noted > notes.txt; exit 3"
AGAIN = 'test "$(cat notes.txt)" = noted; echo three > three.txt'
ENDLESS = "echo kept > kept.txt; echo begun; sleep 300"


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with at_a_desk(tmp_path) as desk:
        desk.use_agent(AGENT)
        yield desk


@contextmanager
def _served_over_http(desk: Desk) -> Iterator[str]:
    """Serve the desk's repository with git's own server, to which anybody may push."""
    desk.git("config", "http.receivepack", "true")

    async def nothing() -> None: ...

    async def git(request: Request) -> Response:
        assert "authorization" not in request.headers
        return await backend(request, desk.repository, None, after=nothing)

    app = Starlette(routes=[Route("/anvil.git/{service:path}", git, methods=["GET", "POST"])])
    with listening(app) as (host, port):
        yield f"http://{host}:{port}/anvil.git"


@pytest.fixture(params=["path", "http"])
def remote(request: pytest.FixtureRequest, desk: Desk) -> Iterator[str]:
    """Return the same bare repository twice: as a folder and over HTTP."""
    with ExitStack() as stack:
        yield (
            stack.enter_context(_served_over_http(desk)) if request.param == "http" else str(desk.repository)
        )


def test_a_run_pushes_a_branch_and_prints_its_name(desk: Desk, remote: str) -> None:
    assert "[github]" not in (desk.folder / "forgehand.toml").read_text()
    main = desk.git("rev-parse", "main")

    branch = desk.call("run", remote, shell(CHANGE))[0].strip()

    [task] = desk.tasks()
    assert (task["state"], task["outcome"], task["branch"]) == ("succeeded", "pushed", branch)
    assert task["repository"] == (
        remote.removesuffix(".git") if remote.startswith("http") else f"file://{remote}"
    )
    assert desk.git("rev-parse", branch) == task["pushed"]
    assert desk.git("log", "--format=%an|%cn|%s|%b", f"{main}..{branch}~1") == "Forgehand|Forgehand|one|"
    assert desk.git("show", f"{branch}:left.txt") == "left"
    assert desk.git("rev-parse", "main") == main
    assert desk.call("logs", task["task"])[0] == "these words\n"


@pytest.mark.parametrize("remote", ["http"], indirect=True)
def test_a_failed_run_pushes_nothing_and_can_be_resumed(desk: Desk, remote: str) -> None:
    output, errors = desk.call("run", remote, shell(FAILS), status=1)

    [failed] = desk.tasks()
    assert (output, failed["state"], failed["outcome"]) == ("", "failed", "agent_failed")
    assert (failed["exit_status"], failed["pushed"]) == (3, "")
    assert f"to continue: forgehand resume {failed['task']}" in errors
    assert desk.git("for-each-ref", "--format=%(refname)") == "refs/heads/main"

    branch = desk.call("resume", failed["task"], shell(AGAIN))[0].strip()

    [done] = desk.tasks()
    assert (done["task"], done["run"], done["outcome"]) == (failed["task"], 2, "pushed")
    assert branch == failed["branch"]
    assert desk.git("show", "--format=", "--name-only", f"{branch}~1") == "two.txt"
    assert desk.git("show", "--format=", "--name-only", branch) == "notes.txt\nthree.txt"


@pytest.mark.long  # tests/app/cli/test_main.py interrupts a run
def test_a_cancelled_run_keeps_its_workspace(desk: Desk) -> None:
    with desk.start("run", str(desk.repository), shell(ENDLESS)) as running:
        assert any("  begun" in line for line in iter(running.stderr.readline, ""))
        [task] = desk.tasks()
        assert (task["state"], task["phase"]) == ("running", "agent")
        with desk.start("logs", "-f", task["task"]) as following:
            assert following.stdout.readline() == "begun\n"

            reply = desk.call("cancel", task["task"])[0]

            assert following.wait(LONG) == 0
        _, errors = running.communicate(LONG)
    assert running.returncode == 1
    assert "is stopping" in reply
    assert "kept" in reply
    assert "Cancelled." in errors
    [task] = desk.tasks()
    assert (task["state"], task["outcome"], task["pushed"]) == ("cancelled", "cancelled", "")
    assert desk.containers() == []

    branch = desk.call("resume", task["task"], shell('test "$(cat kept.txt)" = kept'))[0].strip()

    assert desk.git("show", f"{branch}:kept.txt") == "kept"


def test_the_token_of_a_configured_forge_is_used(desk: Desk, tmp_path: Path) -> None:
    with Playground(tmp_path / "forge") as forge:
        refused = json.loads(desk.call("run", forge.clone_url, shell(CHANGE), "--json", status=1)[0])
        assert refused["outcome"] == "push_rejected"
        desk.environment |= {"FORGEHAND_GITHUB__URL": forge.api_url, "FORGEHAND_GITHUB__TOKEN": forge.token}

        done = json.loads(desk.call("run", forge.clone_url, shell(CHANGE), "--json")[0])

        assert (done["outcome"], done["pushed"]) == ("pushed", forge.branch_head(done["branch"]))
        # Only the push was refused for lack of a login, and only the push is repeated.
        assert desk.call("resume", refused["task"])[0].strip() == refused["branch"]
        assert forge.branch_head(refused["branch"])
        assert desk.call("logs", refused["task"])[0] == ""
        assert forge.pulls() == []
        assert forge.comments(1) == []
