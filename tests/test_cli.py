"""The operator's commands as real processes."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from bot import __version__
from bot.sandbox import images

LONG = 60.0  # seconds a test waits at most for a run to come to a place

AGENT = """
set -e
case "$(cat)" in
  *fail*) echo broken; exit 3 ;;
  *slow*) echo begun; sleep 300 ;;
  *nothing*) exit 0 ;;
esac
date +%N >> notes
echo written
"""


class Desk:
    """A folder with settings and a repository, and `forgehand` to call in it."""

    def __init__(self, folder: Path, image: str) -> None:
        self.folder = folder
        self.repository = folder / "anvil.git"
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "PYTHONPATH": str(Path(__file__).parent.parent),
            "GIT_CONFIG_NOSYSTEM": "1",
            "FORGEHAND_SANDBOX__IMAGE": image,
            "FORGEHAND_SANDBOX__TOOLS_IMAGE": image,
        }
        (folder / "forgehand.toml").write_text(
            f"[agents.shell]\ncommand = {json.dumps(['sh', '-c', AGENT])}\n"
        )
        self.git("init", "-q", "--bare", "-b", "main", str(self.repository))
        blob = self.git("hash-object", "-w", "--stdin", words="hello\n")
        tree = self.git("mktree", words=f"100644 blob {blob}\tREADME.md\n")
        self.git("update-ref", "refs/heads/main", self.git("commit-tree", "-m", "one", tree))

    def git(self, *args: str, words: str = "") -> str:
        who = {f"GIT_{role}_{key}": "ann" for role in ("AUTHOR", "COMMITTER") for key in ("NAME", "EMAIL")}
        at = {"GIT_DIR": str(self.repository)}
        done = subprocess.run(
            ["git", *args], env=self.environment | who | at, input=words, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def start(self, *args: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, "-m", "bot", *args],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def call(self, *args: str, status: int = 0) -> tuple[str, str]:
        """Standard output and standard error of a command that ends with this exit status."""
        with self.start(*args) as process:
            output, errors = process.communicate(timeout=2 * LONG)
        assert process.returncode == status, (output, errors)
        return output, errors

    def tasks(self) -> list[dict[str, Any]]:
        """Newest first."""
        rows: list[dict[str, Any]] = json.loads(self.call("tasks", "--json")[0])
        return rows

    @contextmanager
    def busy(self) -> Iterator[tuple["subprocess.Popen[str]", str]]:
        """`forgehand run` with an agent that does not end by itself, and the task's id."""
        with self.start("run", str(self.repository), "be slow") as process:
            try:
                assert process.stderr
                lines = iter(process.stderr.readline, "")
                said = next(line for line in lines if "begun" in line)
                assert said
                yield process, self.tasks()[0]["task"]
            finally:
                process.kill()


@pytest.fixture(scope="session")
def small() -> str:
    images.build("", which=["small"], base="", say=lambda _line: None)
    return images.SMALL


@pytest.fixture
def desk(tmp_path: Path, small: str) -> Iterator[Desk]:
    desk = Desk(tmp_path, small)
    yield desk
    instance = tmp_path / "forgehand-data" / "instance"
    if instance.exists():
        _remove_containers(instance.read_text())


def _remove_containers(instance: str) -> None:
    named = ["docker", "ps", "-aq", "--filter", f"label=forgehand.instance={instance}"]
    for container in subprocess.run(named, capture_output=True, text=True, check=True).stdout.split():
        subprocess.run(["docker", "rm", "-f", container], capture_output=True, check=True)


def _containers(desk: Desk) -> list[str]:
    instance = (desk.folder / "forgehand-data" / "instance").read_text()
    named = ["docker", "ps", "-q", "--filter", f"label=forgehand.instance={instance}"]
    return subprocess.run(named, capture_output=True, text=True, check=True).stdout.split()


def test_help_is_there_at_once_and_names_every_verb(desk: Desk) -> None:
    begun = time.monotonic()
    output, _ = desk.call("--help")
    seconds = time.monotonic() - begun

    verbs = {line.split()[1] for line in output.splitlines() if line.startswith("│ ") and line.split()[1:]}
    assert verbs >= {"up", "serve", "work", "run", "resume", "cancel", "tasks", "logs", "version"}
    assert verbs >= {"workspaces", "playground", "images"}
    assert seconds < 3 * 0.5


def test_the_version_is_printed(desk: Desk) -> None:
    assert desk.call("version")[0] == f"{__version__}\n"


def test_bad_usage_has_exit_status_2(desk: Desk) -> None:
    assert "No such command" in desk.call("bogus", status=2)[1]


def test_a_run_prints_the_branch_it_pushed_and_nothing_else(desk: Desk) -> None:
    output, errors = desk.call("run", str(desk.repository), "tidy the parser")

    task = desk.tasks()[0]
    assert output == f"{task['branch']}\n"
    assert desk.git("rev-parse", task["branch"]) == task["pushed"]
    assert desk.git("show", "--name-only", "--format=", task["branch"]) == "notes"
    for phase in ("prepare", "agent", "export"):
        assert f"{task['task']}: {phase}" in errors
    assert "  written\n" in errors


def test_a_resume_goes_on_on_the_same_branch(desk: Desk) -> None:
    desk.call("run", str(desk.repository), "tidy the parser")
    task = desk.tasks()[0]

    output, _ = desk.call("resume", task["task"], "and add tests", "--json")

    resumed = json.loads(output)
    assert (resumed["task"], resumed["run"], resumed["outcome"]) == (task["task"], 2, "pushed")
    assert desk.git("rev-parse", f"{task['branch']}~1") == task["pushed"]


def test_nothing_to_change_is_a_success_without_a_branch(desk: Desk) -> None:
    output, errors = desk.call("run", str(desk.repository), "do nothing")

    assert output == ""
    assert "without changing anything" in errors


def test_a_failed_run_says_why_and_how_to_go_on(desk: Desk) -> None:
    output, errors = desk.call("run", str(desk.repository), "fail", status=1)

    task = desk.tasks()[0]
    assert output == ""
    assert "exit status 3" in errors
    assert f"forgehand resume {task['task']}" in errors
    assert desk.call("logs", task["task"])[0] == "broken\n"


def test_what_cannot_be_resumed_is_said_in_the_operators_words(desk: Desk) -> None:
    desk.call("run", str(desk.repository), "tidy the parser")
    task = desk.tasks()[0]["task"]

    assert f"`forgehand resume {task} " in desk.call("resume", task, status=1)[1]


def test_a_run_is_cancelled_from_another_terminal(desk: Desk) -> None:
    with desk.busy() as (process, task):
        assert "told to stop" in desk.call("cancel", task)[0]

        _, errors = process.communicate(timeout=LONG)

    assert process.returncode == 1
    assert "Cancelled." in errors
    assert _containers(desk) == []


def test_ctrl_c_cancels_a_run_of_our_own(desk: Desk) -> None:
    with desk.busy() as (process, task):
        process.send_signal(signal.SIGINT)

        process.communicate(timeout=LONG)

    assert process.returncode == 1
    assert (desk.tasks()[0]["task"], desk.tasks()[0]["outcome"]) == (task, "cancelled")
    assert _containers(desk) == []


def test_sigterm_leaves_the_agent_at_work_for_the_next_worker(desk: Desk) -> None:
    with desk.busy() as (process, _task):
        process.send_signal(signal.SIGTERM)

        process.communicate(timeout=LONG)

    assert desk.tasks()[0]["state"] == "running"
    assert len(_containers(desk)) == 1


def test_a_workspace_at_rest_may_be_removed_and_one_in_use_may_not(desk: Desk) -> None:
    with desk.busy() as (_process, task):
        assert "is at work" in desk.call("workspaces", "rm", task, "--yes", status=1)[1]
        desk.call("cancel", task)
        _until(lambda: desk.tasks()[0]["state"] == "cancelled")

    kept = json.loads(desk.call("workspaces", "ls", "--json")[0])
    assert [(row["task"], row["state"]) for row in kept] == [(task, "cancelled")]
    assert Path(kept[0]["folder"]).is_dir()

    desk.call("workspaces", "rm", task, "--yes")

    assert not Path(kept[0]["folder"]).exists()
    assert json.loads(desk.call("workspaces", "ls", "--json")[0]) == []


@pytest.mark.parametrize(
    ("args", "sentence"),
    [
        (["run", "/nowhere", "x"], "is no repository"),
        (["run", ".", "x", "--agent", "shel"], "Did you mean `shell`"),
        (["run", ".", "x", "--timeout", "soon"], "--timeout must be a duration"),
        (["logs", "nope"], "There is no task `nope`"),
        (["cancel", "nope"], "There is no task `nope`"),
        (["serve"], "needs [queue] url"),
        (["work"], "needs [queue] url"),
        (["up"], "[github] token is empty"),
        (["--config", "nowhere.toml", "tasks"], "nowhere.toml cannot be read"),
        (["tasks", "--config", "nowhere.toml"], "nowhere.toml cannot be read"),
    ],
)
def test_what_cannot_work_is_one_sentence(desk: Desk, args: list[str], sentence: str) -> None:
    _, errors = desk.call(*args, status=1)

    assert errors.startswith("forgehand: ")
    assert sentence in errors
    assert "Traceback" not in errors


def _until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + LONG
    while not condition():  # each look is a process of its own: pause enough
        assert time.monotonic() < end
