"""The demo agent as a plain script on a checkout. The journeys run it in containers."""

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from bot.agents import prompt
from bot.sandbox.images.host_base import demo_agent

pytestmark = pytest.mark.waits


@dataclass
class Place:
    root: Path

    def git(self, *args: str) -> str:
        done = subprocess.run(
            ["git", "-C", str(self.root / "repo"), *args], env=self.env(), capture_output=True, check=True
        )
        return done.stdout.decode().strip()

    def env(self) -> dict[str, str]:
        names = {f"GIT_{who}_{what}": "demo" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
        closed = {"GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": "/dev/null"}
        return {"PATH": os.environ["PATH"], "HOME": str(self.root / "home"), **names, **closed}

    def run(self, request: str, *, resume: bool = False) -> int:
        text = prompt.write(
            request=request,
            branch="b",
            base="main",
            refs=[],
            context=[],
            resumed="",
        )
        script = demo_agent().decode().replace("/task/out", str(self.root / "out"))
        facts = {"FORGEHAND_RUN": "t1-1", **({"FORGEHAND_RESUME": "1"} if resume else {})}
        done = subprocess.run(
            ["sh", "-c", script],
            input=text.encode(),
            cwd=self.root / "repo",
            env={**self.env(), **facts},
            check=False,
        )
        return done.returncode

    def result(self) -> dict[str, str]:
        answer: dict[str, str] = json.loads((self.root / "out" / "result.json").read_text())
        return answer


@pytest.fixture
def place(tmp_path: Path) -> Place:
    for name in ("repo", "home", "out"):
        (tmp_path / name).mkdir()
    place = Place(tmp_path)
    place.git("init", "-q", "-b", "main")
    return place


def test_the_demo_agent_commits_the_request_and_reports(place: Place) -> None:
    assert place.run('Say "hi" \\ there\n\nand more') == 0

    assert (place.root / "repo" / "NOTES.md").read_text() == '- Say "hi" \\ there\n'
    assert place.git("log", "--format=%s") == 'Note: Say "hi" \\ there'
    assert place.result()["title"] == 'Note: Say "hi" \\ there'


def test_a_failed_demo_agent_leaves_a_file_and_commits_it_after_a_resume(place: Place) -> None:
    assert place.run("now fail") == 3
    assert place.git("status", "--porcelain") == "?? half-done.txt"

    assert place.run("try again", resume=True) == 0

    assert "half-done.txt" in place.git("show", "--name-only", "--format=")
    assert "I found half-done.txt" in place.result()["summary"]
    assert "run t1-1 stopped half way" in place.result()["summary"]
