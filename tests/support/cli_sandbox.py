"""A folder with settings and a repository, in which tests call `forgehand`: real processes, no forge."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bot.app.cli.tasks import row_of
from bot.store import runs, tasks
from bot.store.ledger import open_ledger
from tests.journeys.forked_bot import Piped, fork_piped
from tests.support.images import small

LONG = 60.0  # maximum seconds that a test waits for a run to reach a phase

# The part of a prompt before its other sections, such as the earlier requests.
ASKED = r"sed '/^# \(Earlier requests\|Since the last run\|Where things are\)/,$d'"
AGENT = f"""
set -e
case "$({ASKED})" in
  *fail*) echo broken; exit 3 ;;
  *slow*) echo begun; sleep 300 ;;
  *nothing*) exit 0 ;;
  *proxy*) echo "out by $HTTPS_PROXY" ;;
  *power*) echo '* @mallory' > CODEOWNERS ;;
esac
date +%N >> notes
echo written
"""


class Desk:
    """A folder with settings and a repository, in which tests call `forgehand`."""

    def __init__(self, folder: Path, image: str) -> None:
        self.folder = folder
        self.repository = folder / "anvil.git"
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "PYTHONPATH": str(Path(__file__).parents[2]),
            "GIT_CONFIG_NOSYSTEM": "1",
            "FORGEHAND_SANDBOX__IMAGE": image,
            "FORGEHAND_SANDBOX__TOOLS_IMAGE": image,
        }
        self.use_agent(AGENT)
        self.git("init", "-q", "--bare", "-b", "main", str(self.repository))
        blob = self.git("hash-object", "-w", "--stdin", stdin="hello\n")
        tree = self.git("mktree", stdin=f"100644 blob {blob}\tREADME.md\n")
        self.git("update-ref", "refs/heads/main", self.git("commit-tree", "-m", "one", tree))

    def use_agent(self, script: str) -> None:
        """Write the settings, with this script as the agent and with a data folder of their own."""
        (self.folder / "forgehand.toml").write_text(
            f"[data]\npath = {json.dumps(str(self.folder / 'forgehand-data'))}\n"
            f"[agents.shell]\ncommand = {json.dumps(['sh', '-c', script])}\n"
        )

    def git(self, *args: str, stdin: str = "") -> str:
        who = {f"GIT_{role}_{key}": "ann" for role in ("AUTHOR", "COMMITTER") for key in ("NAME", "EMAIL")}
        at = {"GIT_DIR": str(self.repository)}
        done = subprocess.run(
            ["git", *args], env=self.environment | who | at, input=stdin, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def start(self, *args: str) -> Piped:
        """Start `forgehand` with these arguments in a process that has already imported the bot."""
        return fork_piped(["-m", "bot", *args], folder=self.folder, environment=self.environment)

    def call_afresh(self, *args: str) -> str:
        """Run a new process, as an operator would, and return its standard output."""
        command = [sys.executable, "-m", "bot", *args]
        done = subprocess.run(
            command, cwd=self.folder, env=self.environment, check=True, capture_output=True, text=True
        )
        return done.stdout

    def call(self, *args: str, status: int = 0) -> tuple[str, str]:
        """Run a command that must end with this exit status; return its standard output and error."""
        with self.start(*args) as process:
            output, errors = process.communicate(timeout=2 * LONG)
        assert process.returncode == status, (output, errors)
        return output, errors

    def tasks(self) -> list[dict[str, Any]]:
        """Return the output of `forgehand tasks --json`, newest first, without starting a process for it."""
        ledger = open_ledger(f"sqlite:///{self.folder / 'forgehand-data' / 'ledger.sqlite3'}")
        try:
            with ledger.read() as tx:
                return [row_of(tx, task, runs.newest(tx, task.id)) for task in tasks.newest(tx, 20)]
        finally:
            ledger.close()

    @contextmanager
    def busy(self) -> Iterator[tuple[Piped, str]]:
        """Start `forgehand run` with an agent that does not end; yield the process and the task's id."""
        with self.start("run", str(self.repository), "be slow") as process:
            try:
                lines = iter(process.stderr.readline, "")
                said = next(line for line in lines if "begun" in line)
                assert said
                yield process, self.tasks()[0]["task"]
            finally:
                process.kill()

    def containers(self) -> list[str]:
        """Return the running containers of this desk's bot."""
        return self._containers("-q")

    def clear(self) -> None:
        """Remove all remaining containers."""
        for container in self._containers("-aq"):
            subprocess.run(["docker", "rm", "-f", container], capture_output=True, check=True)

    def _containers(self, which: str) -> list[str]:
        instance = self.folder / "forgehand-data" / "instance"
        if not instance.exists():
            return []
        named = ["docker", "ps", which, "--filter", f"label=forgehand.instance={instance.read_text()}"]
        return subprocess.run(named, capture_output=True, text=True, check=True).stdout.split()


@contextmanager
def at_a_desk(folder: Path) -> Iterator[Desk]:
    desk = Desk(folder, small())
    yield desk
    desk.clear()
