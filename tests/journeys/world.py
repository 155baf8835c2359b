"""A complete small world: a forge, the bot in its own processes, and a person who writes to it.

The agent is a shell that runs the text of the command between ```sh and ```, so each journey
defines its agent in its comment.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeVar

import httpx

from bot.domain.lifecycle import Phase, State
from bot.domain.task import Run, Task
from bot.domain.thread import Kind
from bot.store import deliveries, outbox, runs, tasks
from bot.store import log_chunks as store_log
from bot.store.ledger import Ledger
from tests.journeys.forked_bot import Piped, Process, fork, fork_piped
from tests.support import playground_clones
from tests.support.cli_sandbox import ASKED
from tests.support.gitlab_as_github import Change
from tests.support.playground_gitlab import AnyPlayground, GitLabPlayground
from tests.support.services import free_port

T = TypeVar("T")
IMAGE = "forgehand-small"
_BLOCKS = "sed -n '/^```sh/,/^```$/{/^```/!p}'"
# A label requests the text of the thread.
AGENT = f"""
cat >/tmp/prompt
{ASKED} /tmp/prompt | {_BLOCKS} >/tmp/asked.sh
[ -s /tmp/asked.sh ] || sed -n '/^# The thread of the request/,$p' /tmp/prompt | {_BLOCKS} >/tmp/asked.sh
exec sh -e /tmp/asked.sh
"""
ENGINE = Path("/var/run/docker.sock")  # the group of this file may use the engine
PATIENCE = 60.0  # seconds until a journey's wait fails
COMMENTED = {"issue_comment", "Note Hook"}  # each forge's name for a delivery about a comment
HOLD = 'until rm "$HOME/go" 2>/dev/null; do sleep 0.1; done'  # for an agent's script: waits until `let_go`


def eventually(what: Callable[[], T | None], *, seconds: float = PATIENCE, every: float = 0.05) -> T:
    """Return the first answer that is neither None nor false. Fail if there is none in time."""
    end = time.monotonic() + seconds
    while True:
        answer = what()
        if answer:
            return answer
        assert time.monotonic() < end, f"not within {seconds:g} s"
        time.sleep(every)


def shell(script: str) -> str:
    """Return the text of a command whose agent runs this script."""
    return f"do this\n```sh\n{script}\n```"


class Figures(Protocol):
    """Record a duration. Fail if it is longer than three times the time promised to users."""

    def __call__(self, what: str, seconds: float, *, promised: float) -> None: ...


@dataclass
class World:
    """The parts that a journey uses. `settings` are sections of forgehand.toml, as JSON-like values."""

    folder: Path
    playground: AnyPlayground
    ledger: Ledger
    settings: dict[str, dict[str, Any]]
    user: int | None = None  # user id of the bot's processes, which also have the engine's group
    python: Sequence[str] = (sys.executable,)  # runs the bot's processes
    processes: list[Process] = field(default_factory=list)
    port: int = 0

    @property
    def data(self) -> Path:
        return Path(self.settings["data"]["path"])

    @property
    def config(self) -> Path:
        return self.folder / "forgehand.toml"

    @property
    def mark(self) -> str:
        """Return the character in front of a change's number."""
        return {"github": "#", "gitlab": "!"}[self.playground.forge]

    def start(
        self, *verb: str, ready: str = "/readyz", program: Sequence[str] = ("-m", "bot"), **environment: str
    ) -> Process:
        """Start `forgehand up` or another command; return when it is ready to receive."""
        verb = verb or ("up",)
        self.port = self.port or free_port()
        self.settings["server"] |= {"host": "127.0.0.1", "port": self.port}
        written = self.config.with_suffix(".new")
        written.write_text(_toml(self.settings))
        written.replace(self.config)  # atomically, because a process started earlier may be reading it
        command = [*program, *verb, "--config", str(self.config)]
        process = self._launch(command, {**_closed_environment(), **environment}, log=f"{verb[0]}.log")
        if ready and verb[0] in ("up", "serve"):
            eventually(lambda: self._answers(process, ready))
            self.playground.set_webhook(f"http://127.0.0.1:{self.port}{self.playground.webhook_path}")
        return process

    def _launch(self, command: Sequence[str], environment: Mapping[str, str], *, log: str) -> Process:
        process: Process
        if self.user is None and self.python == (sys.executable,):
            process = fork(command, folder=self.folder, environment=environment, log=self.folder / log)
        else:
            with (self.folder / log).open("ab") as output:
                process = subprocess.Popen(
                    [*self.python, *command],
                    cwd=self.folder,
                    env=environment,
                    stdout=output,
                    stderr=output,
                    user=self.user,
                    group=self.user,
                    extra_groups=[ENGINE.stat().st_gid] if self.user else None,
                )
        self.processes.append(process)
        return process

    def _answers(self, process: Process, path: str) -> bool:
        assert process.poll() is None, self.output()
        try:
            return httpx.get(f"http://127.0.0.1:{self.port}{path}", trust_env=False, verify=False).is_success
        except httpx.TransportError:
            return False

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """End every process of the bot."""
        for process in self.processes:
            process.send_signal(how)
        for process in self.processes:
            process.wait(30)
        self.processes.clear()

    def kill(self, process: Process) -> None:
        """Kill one process with SIGKILL, wherever it is."""
        process.kill()
        process.wait(30)
        self.processes.remove(process)

    def output(self) -> str:
        """Return the output of the bot's processes."""
        return "\n".join(path.read_text() for path in sorted(self.folder.glob("*.log")))

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
        """Return all of the run's log that the ledger holds."""
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

    def let_go(self, run: Run) -> None:
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

    def says(self, number: int, words: str) -> str:
        """Return the bot's first comment with this text when it exists."""
        return eventually(lambda: [body for body in self.bot_comments(number) if words in body])[0]

    def says_more_than(self, number: int, comments: int) -> None:
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

    def forgehand(self, *words: str) -> str:
        """Run an operator's command and return its output."""
        with self.command(*words) as process:
            output, errors = process.communicate(PATIENCE)
        assert process.returncode == 0, errors
        return output

    def command(self, *words: str) -> Piped:
        """Start an operator's command."""
        program = ["-m", "bot", *words, "--config", str(self.config)]
        return fork_piped(program, folder=self.folder, environment=_closed_environment())

    def git(self, *args: str) -> str:
        """Run git in a fresh clone of the forge's repository."""
        folder = self.folder / "look"
        if not folder.exists():
            playground_clones.clone(self.playground, folder)
        with playground_clones.opened(folder) as repo:
            repo.git.fetch("-q", "--prune", "origin")
            return str(repo.git.execute(["git", *args])).strip()

    def quarantine(self, task: Task, *args: str) -> str:
        """Run git in the task's quarantine, with the mirror's objects beside it."""
        mirror = next((self.data / "mirrors").glob("*.git"))
        environment = {
            **_closed_environment(),
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

    def containers(self) -> list[str]:
        """Return the names of this bot's containers, running or not."""
        instance = (self.data / "instance").read_text().strip()
        asked = ["docker", "ps", "-a", "--filter", f"label=forgehand.instance={instance}"]
        done = subprocess.run([*asked, "--format", "{{.Names}}"], check=True, capture_output=True)
        return done.stdout.decode().split()


def paced(*, sweep_every: float = 0.2, lease: float = 3.0) -> Sequence[str]:
    """Run `forgehand work` with other times, in seconds, given to its composition root.

    No setting changes them.
    """
    given = f"sweep_every={sweep_every}, lease={lease}"
    program = (
        "import pathlib, sys",
        "from bot.app import processes",
        "from bot.app.settings import load",
        f"processes.work(load.load(pathlib.Path(sys.argv[-1])), {given})",
    )
    return ("-c", "\n".join(program))


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


def _closed_environment() -> dict[str, str]:
    """Keep the developer's own settings away from the bot and git."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "DOCKER_HOST") if name in os.environ}
    return {**kept, "HOME": "/nonexistent", "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": "/dev/null"}


def _toml(settings: Mapping[str, Mapping[str, Any]]) -> str:
    """Write sections of strings, numbers and lists as TOML, which spells these like JSON."""
    lines: list[str] = []
    for section, values in settings.items():
        tables = {name: value for name, value in values.items() if isinstance(value, dict)}
        lines.append(f"[{section}]")
        lines += [f"{name} = {json.dumps(value)}" for name, value in values.items() if name not in tables]
        for name, table in tables.items():
            lines.append(f"[{section}.{name}]")
            lines += [f"{json.dumps(key)} = {json.dumps(value)}" for key, value in table.items()]
    return "\n".join(lines) + "\n"


def ended(task: Task) -> bool:
    return task.state not in (State.QUEUED, State.RUNNING)
