"""The operator's commands as real processes."""

import base64
import json
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bot import __version__
from bot.playground.git_http import backend
from bot.store import removals, workspaces
from bot.store.ledger import open_ledger
from bot.store.removals import Key
from tests.support.asgi_server import listening
from tests.support.cli_sandbox import LONG, Desk, at_a_desk
from tests.support.derived_image import image_with
from tests.support.images import small
from tests.support.rows import all_are_dead
from tests.support.terminal import on_a_terminal
from tests.support.worker_bench import until


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with at_a_desk(tmp_path) as desk:
        yield desk


def _children_seconds() -> float:
    """Return the processor time of ended children in seconds; a busy machine does not change it."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def test_help_is_fast_and_lists_the_verbs(desk: Desk) -> None:
    begun = _children_seconds()
    output = desk.call_afresh("--help")
    seconds = _children_seconds() - begun

    verbs = {line.split()[1] for line in output.splitlines() if line.startswith("│ ") and line.split()[1:]}
    assert verbs >= {"up", "serve", "work", "run", "resume", "cancel", "tasks", "logs", "costs", "version"}
    assert verbs >= {"workspaces", "playground", "images"}
    assert seconds < 3 * 0.5


def test_the_version_is_printed(desk: Desk) -> None:
    assert desk.call_afresh("version") == f"{__version__}\n"


def test_bad_usage_has_exit_status_2(desk: Desk) -> None:
    assert "No such command" in desk.call("bogus", status=2)[1]
    assert "such as" in desk.call("costs", "--since", "soon", status=2)[1]


def test_a_run_prints_only_the_pushed_branch_on_standard_output(desk: Desk) -> None:
    output, errors = desk.call("run", str(desk.repository), "tidy the parser")

    task = desk.tasks()[0]
    assert [task] == json.loads(desk.call("tasks", "--json")[0])
    assert output == f"{task['branch']}\n"
    assert desk.git("rev-parse", task["branch"]) == task["pushed"]
    assert desk.git("show", "--name-only", "--format=", task["branch"]) == "notes"
    for phase in ("prepare", "agent", "export"):
        assert f"{task['task']}: {phase}" in errors
    assert "  written\n" in errors


def test_the_instructions_can_come_from_standard_input_or_an_editor(desk: Desk) -> None:
    command = [sys.executable, "-m", "bot", "run", str(desk.repository), "-"]
    subprocess.run(
        command, cwd=desk.folder, env=desk.environment, input="tidy\nthe lexer\n", check=True, text=True
    )
    assert desk.tasks()[0]["title"] == "tidy"

    editor = desk.folder / "editor"
    editor.write_text('#!/bin/sh\necho "tidy the tests" >"$1"\n')
    editor.chmod(0o755)
    environment = desk.environment | {"EDITOR": str(editor)}
    _, status = on_a_terminal("run", str(desk.repository), folder=desk.folder, environment=environment)
    assert status == 0
    assert desk.tasks()[0]["title"] == "tidy the tests"


def test_a_resume_continues_on_the_same_branch(desk: Desk) -> None:
    desk.call("run", str(desk.repository), "tidy the parser")
    task = desk.tasks()[0]

    output, _ = desk.call("resume", task["task"], "and add tests", "--json")

    resumed = json.loads(output)
    assert (resumed["task"], resumed["run"], resumed["outcome"]) == (task["task"], 2, "pushed")
    assert desk.git("rev-parse", f"{task['branch']}~1") == task["pushed"]
    # The refusal of a resume without a request names the command for the operator.
    assert f"`forgehand resume {task['task']} " in desk.call("resume", task["task"], status=1)[1]


def test_the_token_of_a_configured_gitlab_is_used_for_the_ssh_form_of_its_url(desk: Desk) -> None:
    with _repository_with_login(desk, "oauth2:a-token-of-gitlab") as (host, port):
        desk.environment["FORGEHAND_GITLAB__URL"] = f"http://{host}:{port}"
        refused = json.loads(desk.call("run", f"git@{host}:acme/anvil.git", "x", "--json", status=1)[0])
        desk.environment["FORGEHAND_GITLAB__TOKEN"] = "a-token-of-gitlab"

        output, _ = desk.call("run", f"git@{host}:acme/anvil.git", "tidy the parser")

    task = desk.tasks()[0]
    assert refused["outcome"] == "prepare_failed"
    assert output == f"{task['branch']}\n"
    assert task["repository"] == refused["repository"] == f"http://{host}:{port}/acme/anvil"
    assert desk.git("rev-parse", task["branch"]) == task["pushed"]


@contextmanager
def _repository_with_login(desk: Desk, login: str) -> Iterator[tuple[str, int]]:
    """Serve the repository with git's own server to this login only; yield the address."""
    desk.git("config", "http.receivepack", "true")
    wanted = "Basic " + base64.b64encode(login.encode()).decode()

    async def nothing() -> None: ...

    async def git(request: Request) -> Response:
        if request.headers.get("authorization") != wanted:
            return Response(status_code=401, headers={"www-authenticate": 'Basic realm="GitLab"'})
        return await backend(request, desk.repository, None, after=nothing)

    app = Starlette(routes=[Route("/acme/anvil.git/{service:path}", git, methods=["GET", "POST"])])
    with listening(app) as address:
        yield address


def test_a_run_without_changes_succeeds_without_a_branch(desk: Desk) -> None:
    output, errors = desk.call("run", str(desk.repository), "do nothing")

    assert output == ""
    assert "Nothing to change" in errors


def test_a_failed_run_prints_its_reason_and_the_next_command(desk: Desk) -> None:
    output, errors = desk.call("run", str(desk.repository), "fail", status=1)

    task = desk.tasks()[0]
    assert output == ""
    assert "exit status 3" in errors
    assert f"forgehand resume {task['task']}" in errors
    assert desk.call("logs", task["task"])[0] == "broken\n"


def test_an_agent_gets_a_package_proxy_without_a_worker(desk: Desk) -> None:
    npm = "#!/bin/sh\necho https://npm.example.org/"
    with image_with(small(), "COPY npm /usr/local/bin/", {"npm": npm}) as image:
        desk.environment |= {"FORGEHAND_NETWORK__SETS": "npm", "FORGEHAND_SANDBOX__IMAGE": image}

        _, errors = desk.call("run", str(desk.repository), "name your proxy")

    assert "out by http://forgehand:" in errors


def test_a_commit_that_awaits_approval_is_pushed_once_approved(desk: Desk) -> None:
    _, said = desk.call("run", str(desk.repository), "take power", status=1)
    task = desk.tasks()[0]["task"]
    assert f"to continue: forgehand approve {task}" in said
    assert "CODEOWNERS" in said

    branch, _ = desk.call("approve", task)

    assert "CODEOWNERS" in desk.git("ls-tree", "--name-only", f"refs/heads/{branch.strip()}").split()
    _, said = desk.call("approve", task, status=1)
    assert "nothing of it awaits approval" in said


def test_an_interrupt_cancels_a_run_of_the_same_process(desk: Desk) -> None:
    with desk.busy() as (process, task):
        process.send_signal(signal.SIGINT)

        process.communicate(timeout=LONG)

    assert process.returncode == 1
    assert (desk.tasks()[0]["task"], desk.tasks()[0]["outcome"]) == (task, "cancelled")
    assert desk.containers() == []


@pytest.mark.parametrize(
    "how",
    [
        "ctrl-c",
        pytest.param("sigterm", marks=pytest.mark.long),
        pytest.param("forgehand cancel", marks=pytest.mark.long),
    ],
)
def test_a_remote_that_hangs_delays_neither_signal_nor_cancel(desk: Desk, how: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(LONG)
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/anvil"
        with desk.start("run", url, "tidy the parser") as process, silent.accept()[0]:
            began = time.monotonic()
            if how == "forgehand cancel":
                desk.call("cancel", desk.tasks()[0]["task"])
            else:
                process.send_signal(signal.SIGINT if how == "ctrl-c" else signal.SIGTERM)
            process.communicate(timeout=LONG)

    assert time.monotonic() - began < 30
    assert desk.tasks()[0]["state"] == ("running" if how == "sigterm" else "cancelled")


def test_a_run_and_its_container_continue_after_sigterm(desk: Desk) -> None:
    with desk.busy() as (process, _task):
        process.send_signal(signal.SIGTERM)

        process.communicate(timeout=LONG)

    assert desk.tasks()[0]["state"] == "running"
    assert len(desk.containers()) == 1


def test_a_workspace_may_be_removed_unless_a_run_uses_it(desk: Desk) -> None:
    with desk.busy() as (_process, task):
        assert "is queued or running" in desk.call("workspaces", "rm", task, "--yes", status=1)[1]
        desk.call("cancel", task)
        until(lambda: desk.tasks()[0]["state"] == "cancelled")

    kept = json.loads(desk.call("workspaces", "ls", "--json")[0])
    assert [(row["task"], row["state"]) for row in kept] == [(task, "cancelled")]
    assert Path(kept[0]["folder"]).is_dir()
    assert 0 < kept[0]["bytes"] < 8 << 20
    assert "KiB" in desk.call("workspaces", "ls")[0]

    desk.call("workspaces", "rm", task, "--yes")

    assert not Path(kept[0]["folder"]).exists()
    assert json.loads(desk.call("workspaces", "ls", "--json")[0]) == []


@pytest.mark.long  # tests/runs/test_stuck_removals.py has each case
def test_a_stuck_workspace_is_listed_and_removed_with_a_warning(desk: Desk) -> None:
    desk.call("run", str(desk.repository), "do nothing")
    desk.call("run", str(desk.repository), "do nothing")
    data, (kept, gone) = desk.folder / "forgehand-data", (each["task"] for each in desk.tasks())
    ledger = open_ledger(f"sqlite:///{data / 'ledger.sqlite3'}")
    host = (data / "instance").read_text()
    with ledger.write() as tx:
        for folder, task in ((kept, kept), (f"{gone}.gone-1", gone)):
            for _ in range(removals.MOST_DEATHS):
                removals.count_deaths(tx, host, all_are_dead)
                removals.begin(tx, Key(host, folder, f"{host}/dead"), task)
        workspaces.retain(tx, gone, 1.0)
        workspaces.claim_removal(tx, gone)
    ledger.close()
    (data / "workspaces" / gone).rename(data / "workspaces" / f"{gone}.gone-1")

    rows = json.loads(desk.call("workspaces", "ls", "--json")[0])
    assert [(row["task"], row["state"], row["stuck"]) for row in rows] == [
        (kept, "succeeded", True),
        (gone, "removed", True),
    ]
    for row in rows:
        assert row["bytes"] > 0
        assert Path(row["folder"]).is_dir()
        told = desk.call("workspaces", "rm", row["task"], "--yes")[1]
        assert "work that was not exported before will be lost" in told
        assert not Path(row["folder"]).exists()
    assert json.loads(desk.call("workspaces", "ls", "--json")[0]) == []
    assert "has no workspace" in desk.call("workspaces", "rm", kept, "--yes", status=1)[1]
    assert "No task `nope`. Newest: " in desk.call("workspaces", "rm", "nope", "--yes", status=1)[1]


@pytest.mark.parametrize(
    ("args", "sentence"),
    [
        (["run", "/nowhere", "x"], "is not a repository"),
        (["run", ".", "x", "--agent", "shel"], "Did you mean `shell`"),
        (["run", ".", "x", "--timeout", "soon"], "--timeout must be a duration"),
        (["run", ".", "x", "--timeout", "9h"], "--timeout is at most 1h here"),
        (["run", "."], "There are no instructions for the agent."),
        (["run", ".", " "], "There are no instructions for the agent."),
    ],
)
def test_a_value_that_makes_no_sense_is_a_usage_error(desk: Desk, args: list[str], sentence: str) -> None:
    _, errors = desk.call(*args, status=2)

    assert errors.startswith("forgehand: ")
    assert sentence in errors


@pytest.mark.parametrize(
    ("args", "sentence"),
    [
        (["logs", "nope"], "No data here (looked in "),
        (["cancel", "nope"], "No data here (looked in "),
        (["workspaces", "ls"], "No data here (looked in "),
        (["serve"], "needs [queue] url"),
        (["work"], "needs [queue] url"),
        (["up"], "[github] token and [gitlab] token are empty"),
        (["--config", "nowhere.toml", "tasks"], "nowhere.toml cannot be read"),
        (["tasks", "--config", "nowhere.toml"], "nowhere.toml cannot be read"),
        (["tasks", "--config", "at-a-file.toml"], "No data here (looked in "),
        (["playground", "--data", "forgehand.toml"], "Choose another --port or --data."),
        (["run", ".", "x", "--config", "at-a-file.toml"], "is not a folder this user can write to"),
    ],
)
def test_an_invalid_command_prints_an_error_without_a_traceback(
    desk: Desk, args: list[str], sentence: str
) -> None:
    (desk.folder / "at-a-file.toml").write_text('[data]\npath = "forgehand.toml"\n')

    _, errors = desk.call(*args, status=1)

    assert errors.startswith("forgehand: ")
    assert sentence in errors
    assert "Traceback" not in errors
