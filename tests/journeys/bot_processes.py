"""The bot's processes in one folder, with their settings."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from tests.journeys.forked_bot import Piped, Process, fork, fork_piped
from tests.support.playground_gitlab import AnyPlayground
from tests.support.services import free_port
from tests.support.waiting import PATIENCE, eventually

ENGINE = Path("/var/run/docker.sock")  # the group of this file may use the engine


@dataclass(kw_only=True)
class BotProcesses:
    """The bot's processes. `settings` are sections of forgehand.toml, as JSON-like values."""

    folder: Path
    playground: AnyPlayground
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
        process = self._launch(command, {**closed_environment(), **environment}, log=f"{verb[0]}.log")
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
        """Kill one process with SIGKILL at any point of its work."""
        process.kill()
        process.wait(30)
        self.processes.remove(process)

    def output(self) -> str:
        """Return the output of the bot's processes."""
        return "\n".join(path.read_text() for path in sorted(self.folder.glob("*.log")))

    def forgehand(self, *words: str) -> str:
        """Run an operator's command and return its output."""
        with self.command(*words) as process:
            output, errors = process.communicate(PATIENCE)
        assert process.returncode == 0, errors
        return output

    def command(self, *words: str) -> Piped:
        """Start an operator's command."""
        program = ["-m", "bot", *words, "--config", str(self.config)]
        return fork_piped(program, folder=self.folder, environment=closed_environment())

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
        "from bot.app.settings.settings import load",
        f"processes.work(load(pathlib.Path(sys.argv[-1])), {given})",
    )
    return ("-c", "\n".join(program))


def closed_environment() -> dict[str, str]:
    """Return an environment without the developer's own settings for the bot and git."""
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
