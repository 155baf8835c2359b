"""A complete small world: a forge, the bot in its own processes, and a person who writes to it.

The agent is a shell that runs the text of the command between ```sh and ```, so each journey
defines its agent in its comment.
"""

import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from bot.domain.lifecycle import Phase
from bot.domain.task import Run, Task
from bot.domain.thread import Kind
from bot.store import deliveries, outbox, runs, tasks
from bot.store import log_chunks as store_log
from bot.store.ledger import Ledger
from tests.journeys.bot_processes import BotProcesses, closed_environment
from tests.support import playground_clones
from tests.support.cli_sandbox import ASKED
from tests.support.gitlab_as_github import Change
from tests.support.playground_gitlab import AnyPlayground, GitLabPlayground
from tests.support.waiting import PATIENCE, eventually

IMAGE = "forgehand-small"
_BLOCKS = "sed -n '/^```sh/,/^```$/{/^```/!p}'"
# A label requests the text of the thread.
AGENT = f"""
cat >/tmp/prompt
{ASKED} /tmp/prompt | {_BLOCKS} >/tmp/asked.sh
[ -s /tmp/asked.sh ] || sed -n '/^# The thread of the request/,$p' /tmp/prompt | {_BLOCKS} >/tmp/asked.sh
exec sh -e /tmp/asked.sh
"""
COMMENTED = {"issue_comment", "Note Hook"}  # each forge's name for a delivery about a comment
# For an agent's script: waits until `let_continue`.
HOLD = 'until rm "$HOME/go" 2>/dev/null; do sleep 0.1; done'


def shell(script: str) -> str:
    """Return the text of a command whose agent runs this script."""
    return f"do this\n```sh\n{script}\n```"


class Figures(Protocol):
    """Record a duration. Fail if it is longer than three times the time promised to users."""

    def __call__(self, what: str, seconds: float, *, promised: float) -> None: ...


@dataclass(kw_only=True)
class World(BotProcesses):
    """The parts that a journey uses: the bot, its ledger, and a person on a forge."""

    ledger: Ledger

    @property
    def mark(self) -> str:
        """Return the character in front of a change's number."""
        return {"github": "#", "gitlab": "!"}[self.playground.forge]

    # Contents of the ledger.

    def tasks(self, on: int | None = None) -> list[Task]:
        """Return tasks, newest first: of one thread, or of all."""
        with self.ledger.read() as tx:
            return [task for task in tasks.newest(tx, 100) if on is None or self._is_on(task, on)]

    def _is_on(self, task: Task, number: int) -> bool:
        """Compare kinds of threads too, because GitLab numbers its changes apart from its issues."""
        thread = task.thread
        same_series = self.playground.forge == "github" or isinstance(number, Change) == (
            thread.kind is Kind.CHANGE
        )
        return same_series and thread.number == number

    def runs(self, task: Task | None = None) -> list[Run]:
        """Return the runs of the newest task or of this task, oldest first."""
        with self.ledger.read() as tx:
            return runs.of_task(tx, (task or self.tasks()[0]).id)

    def phases(self, run: Run) -> list[Phase]:
        """Return the phases of the run, in order."""
        with self.ledger.read() as tx:
            return [phase for phase, _, _ in runs.phase_times(tx, run.id)]

    def now(self, run: Run) -> Run:
        with self.ledger.read() as tx:
            return runs.get(tx, run.id)

    def printed(self, run: Run) -> bytes:
        """Return the beginning of the run's log in the ledger, at most 1 MiB."""
        with self.ledger.read() as tx:
            return b"".join(data for _, data in store_log.read(tx, run.id, 0, 1 << 20))

    def task_after_run(
        self, number: int, *, on: int | None = None, seconds: float = PATIENCE
    ) -> tuple[Task, Run]:
        """Return the newest task (of one thread, or of all) and its run of this number, after its end."""
        run = eventually(lambda: self._ended(number, on), seconds=seconds)
        with self.ledger.read() as tx:
            return tasks.get(tx, run.task), run

    def _ended(self, number: int, on: int | None) -> Run | None:
        found = self._run(number, on)
        return found if found and found.ended_at is not None else None

    def until_running(self, number: int = 1, *, on: int | None = None) -> Run:
        """Return run `number` of the newest task when its agent has started."""

        def running() -> Run | None:
            found = self._run(number, on)
            return found if found and found.agent_started else None

        return eventually(running)

    def _run(self, number: int, on: int | None) -> Run | None:
        for process in self.processes:
            assert process.poll() is None, self.output()
        newest = self.tasks(on)
        found = self.runs(newest[0])[number - 1 : number] if newest else []
        return found[0] if found else None

    def settled(self) -> None:
        """Wait until every delivery is handled and every comment is sent."""

        def quiet() -> bool:
            with self.ledger.read() as tx:
                return not deliveries.count_unanswered(tx) and not outbox.due_threads(tx, 1)

        eventually(quiet)

    def let_continue(self, run: Run) -> None:
        """Let an agent that waits in HOLD continue."""
        (self.data / "workspaces" / run.task / "home" / "go").touch()

    # A person's view and actions.

    def say(self, number: int, text: str, as_: str = "ann") -> int:
        return self.playground.comment(number, text, as_)

    def bot_comments(self, number: int) -> list[str]:
        mine = self.playground.bot_name
        return [each["body"] for each in self.playground.comments(number) if each["user"]["login"] == mine]

    def final_comment(self, number: int, run: Run) -> str:
        """Return the final comment of this run."""
        marker = f"<!-- forgehand:final:{run.id} -->"
        found = eventually(lambda: [body for body in self.bot_comments(number) if marker in body])
        return found[0]

    def wait_for_comment(self, number: int, words: str) -> str:
        """Wait until the bot has posted a comment with this text; return the first one."""
        return eventually(lambda: [body for body in self.bot_comments(number) if words in body])[0]

    def wait_for_more_comments(self, number: int, comments: int) -> None:
        """Wait until the bot has posted more than this number of comments on the thread."""
        eventually(lambda: len(self.bot_comments(number)) > comments)

    def push(self, branch: str, file: str, content: str = "more", *, onto: str = "main") -> str:
        """Push one commit of Ann's that writes `file`; return its id."""
        folder = Path(tempfile.mkdtemp(dir=self.folder))
        playground_clones.clone(self.playground, folder, onto=onto)
        (folder / file).write_text(f"{content}\n")
        sha = playground_clones.commit_all(folder, f"Write {file}")
        done = playground_clones.push(folder, self.playground, branch)
        assert done.returncode == 0, done.stderr
        return sha

    def git(self, *args: str) -> str:
        """Run git in a clone of the forge's repository that has just been fetched."""
        folder = self.folder / "look"
        if not folder.exists():
            playground_clones.clone(self.playground, folder)
        with playground_clones.opened(folder) as repo:
            repo.git.fetch("-q", "--prune", "origin")
            return str(repo.git.execute(["git", *args])).strip()

    def quarantine(self, task: Task, *args: str) -> str:
        """Run git in the task's quarantine, with access to the mirror's objects."""
        mirror = next((self.data / "mirrors").glob("*.git"))
        environment = {
            **closed_environment(),
            "GIT_ALTERNATE_OBJECT_DIRECTORIES": str(mirror / "objects"),
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": "safe.directory",
            "GIT_CONFIG_VALUE_0": "*",
        }
        where = self.data / "quarantine" / f"{task.id}.git"
        done = subprocess.run(["git", *args], cwd=where, check=True, capture_output=True, env=environment)
        return done.stdout.decode().strip()

    def in_workspace(self, task: Task) -> Path:
        return self.data / "workspaces" / task.id


@contextmanager
def world(
    folder: Path, *, ledger: Ledger, store_url: str, redis_url: str = "", playground: AnyPlayground
) -> Iterator[World]:
    """Make a world with a stopped bot; at the end, remove the rest of it."""
    settings: dict[str, dict[str, Any]] = {
        "server": {},
        "store": {"url": store_url},
        "data": {"path": str(folder / "data")},
        playground.forge: {
            "url": playground.api_url,
            "token": playground.token,
            "webhook_secrets": [playground.webhook_secret],
            "bot_name": playground.bot_name,
        },
        "sandbox": {"image": IMAGE, "tools_image": IMAGE, "memory": "512m", "wall_limit": "5m"},
        "agents": {"shell": {"command": ["sh", "-c", AGENT]}},
        "repositories": {"allow": ["acme"]},
    }
    if isinstance(playground, GitLabPlayground):
        settings["gitlab"]["signing_tokens"] = [playground.signing_token]
    if redis_url:
        settings["queue"] = {"url": redis_url}
    made = World(folder=folder, playground=playground, ledger=ledger, settings=settings)
    try:
        yield made
    finally:
        made.stop(signal.SIGKILL)
        for name in made.containers() if (made.data / "instance").exists() else []:
            subprocess.run(["docker", "rm", "-f", name], check=True, capture_output=True)
