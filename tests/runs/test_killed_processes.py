"""A git process that something outside the bot kills is retried, then reported as a fault of the machine."""

import os
import shutil
from pathlib import Path

import pytest

from bot.domain.error_policy import Backoff
from bot.domain.lifecycle import State
from bot.domain.outcomes import Outcome
from bot.runs import leased_run
from tests.support.worker_bench import Workshop


@pytest.fixture
def killing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put a `git` first in PATH whose commands are killed, and return a folder.

    A file in the folder has the name of a command, and contains how often that command is still killed.
    """
    folder, program = tmp_path / "to-kill", tmp_path / "programs" / "git"
    folder.mkdir()
    program.parent.mkdir()
    program.write_text(
        f"""#!/bin/sh
left=$(cat {folder}/"$1" 2>/dev/null)
if [ "${{left:-0}}" -gt 0 ]; then
    echo $((left - 1)) >{folder}/"$1"
    kill -9 $$
fi
exec {shutil.which("git")} "$@"
"""
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    return folder


def test_a_run_and_its_resume_end_well_though_each_of_their_git_processes_is_killed_once(
    shop: Workshop, killing_each: Path
) -> None:
    first = shop.done("echo 1 > x")
    commands = {line.split()[0] for line in killing_each.read_text().splitlines()}
    killing_each.write_text("")
    second = shop.resumed(first.task, "echo 2 > y")

    assert (first.outcome, first.reason) == (Outcome.PUSHED, "")
    assert commands > {"fetch", "for-each-ref", "index-pack", "pack-objects", "update-ref", "push"}
    assert (second.outcome, second.reason) == (Outcome.PUSHED, "")
    assert "\npush " in killing_each.read_text()
    assert shop.desk.git("ls-tree", "--name-only", shop.task(first).branch).split() == ["README.md", "x", "y"]


@pytest.mark.parametrize(
    ("command", "outcome"),
    [("fetch", Outcome.PREPARE_FAILED), ("index-pack", Outcome.LOST), ("push", Outcome.LOST)],
)
def test_a_git_that_is_killed_again_and_again_is_reported_as_a_fault_of_the_machine(
    shop: Workshop,
    killing: Path,
    monkeypatch: pytest.MonkeyPatch,
    command: str,
    outcome: Outcome,
) -> None:
    monkeypatch.setattr(leased_run, "PHASE", Backoff(pauses=(0.01,), tries=3))
    (killing / command).write_text("100")

    run = shop.done("echo 1 > x")

    assert (killing / command).read_text() == "97\n"
    assert (run.outcome, run.state) == (outcome, State.FAILED)
    assert run.reason.startswith(f"Something on the machine that the bot runs on killed `git {command}`, ")
    assert "not a fault of the agent or its work" in run.reason
    assert "incident" not in run.reason


def test_an_agent_that_failed_is_still_reported_as_failed_if_its_export_was_killed(
    shop: Workshop, killing: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leased_run, "PHASE", Backoff(pauses=(0.01,), tries=2))
    (killing / "index-pack").write_text("100")

    run = shop.done("echo 1 > x; exit 3")

    assert run.outcome is Outcome.AGENT_FAILED
    assert "killed `git index-pack`" in run.reason


def test_a_run_without_a_patch_ends_as_usual_because_git_was_killed_while_it_made_the_patch(
    shop: Workshop, killing: Path
) -> None:
    (killing / "diff-tree").write_text("100")

    assert shop.done("echo 1 > x").outcome is Outcome.PUSHED
