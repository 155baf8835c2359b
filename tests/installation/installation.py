"""An installation in one folder: a forge, a bot with its data folder and its ledger, and a person.

The tests use it only from outside, by the `forgehand` command, HTTP and the names in the ledger:
the interfaces that an installation depends on. So one program can drive both the code that made an
installation and the code that takes it over.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.engine import make_url

from tests.journeys.world import AGENT
from tests.support import http
from tests.support.images import small
from tests.support.waiting import eventually

Row = Mapping[str, Any]
ROOT = Path(__file__).parent.parent.parent
REPOSITORY = "acme/anvil"
LABELS = {"succeeded": "done", "failed": "broken", "waiting": "asks"}  # a thread's label after each outcome
# The ledger and the forge's state contain these addresses, so an installation always uses them. Linux assigns
# only higher ports by itself.
PORTS = {"sqlite": (61386, 61387), "postgresql": (61388, 61389)}  # the forge's port, the bot's port
CLOSED = {
    "PATH": os.environ["PATH"],
    "HOME": "/nonexistent",
    "LC_ALL": "C.UTF-8",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
}


@dataclass(kw_only=True)
class Installation:
    """An installation: everything below `folder`, except a ledger on PostgreSQL.

    `code` is the checkout that runs.
    """

    folder: Path
    database: str  # a key of PORTS
    store_url: str
    redis_url: str = ""
    code: Path = ROOT
    processes: "list[subprocess.Popen[bytes]]" = field(default_factory=list)
    about: dict[str, Any] = field(default_factory=dict)  # the forge's description of itself

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def forge_url(self) -> str:
        return f"http://127.0.0.1:{PORTS[self.database][0]}"

    @property
    def bot_url(self) -> str:
        return f"http://127.0.0.1:{PORTS[self.database][1]}"

    # Processes.

    def start_forge(self) -> None:
        """Start the forge on the state in `folder`/forge. If there is none, create it."""
        port = str(PORTS[self.database][0])
        words = ["-m", "bot", "playground", "--port", port, "--data", "forge", "--json"]
        process = self.launch(words, log="forge.log")
        self.about = eventually(lambda: _about(process, self.folder / "forge.log"))

    def start_bot(self, program: Sequence[str] = ("-m", "bot")) -> "subprocess.Popen[bytes]":
        """Start `forgehand up` and return when it is ready to receive."""
        (self.folder / "forgehand.toml").write_text(self._settings())
        process = self.launch([*program, "up", "--config", "forgehand.toml"], log="bot.app.log")
        eventually(lambda: self.is_ready(process))
        return process

    def forgehand(self, *words: str) -> str:
        """Run an operator's command and return its output."""
        command = [sys.executable, "-m", "bot", *words, "--config", "forgehand.toml"]
        environment = {**CLOSED, "PYTHONPATH": str(self.code)}
        done = subprocess.run(command, cwd=self.folder, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def launch(self, words: Sequence[str], *, log: str) -> "subprocess.Popen[bytes]":
        environment = {**CLOSED, "PYTHONPATH": str(self.code), "PYTHONDONTWRITEBYTECODE": "1"}
        with (self.folder / log).open("ab") as output:
            process = subprocess.Popen(
                [sys.executable, *words], cwd=self.folder, env=environment, stdout=output, stderr=output
            )
        self.processes.append(process)
        return process

    def is_ready(self, process: "subprocess.Popen[bytes]") -> bool:
        assert process.poll() is None, self.output()
        return self.is_up()

    def is_up(self) -> bool:
        try:
            return httpx.get(f"{self.bot_url}/readyz", trust_env=False).is_success
        except httpx.TransportError:
            return False

    def output(self) -> str:
        """Return the bot's output."""
        return (self.folder / "bot.app.log").read_text()

    def close(self) -> None:
        """End every process and remove every container of this installation."""
        for process in self.processes:
            process.send_signal(signal.SIGKILL)
            process.wait(30)
        self.remove_containers()
        self.engine.dispose()

    def containers(self) -> list[str]:
        instance = (self.data / "instance").read_text().strip()
        command = ["docker", "ps", "-aq", "--filter", f"label=forgehand.instance={instance}"]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()

    def remove_containers(self) -> None:
        if (self.data / "instance").exists() and (leftovers := self.containers()):
            subprocess.run(["docker", "rm", "-f", *leftovers], check=True, capture_output=True)

    def _settings(self) -> str:
        forge, image = self.about, small()
        sections: dict[str, dict[str, Any]] = {
            "server": {"host": "127.0.0.1", "port": PORTS[self.database][1]},
            "store": {"url": self.store_url},
            "queue": {"url": self.redis_url},
            "data": {"path": "data"},
            "github": {
                "url": forge["api"],
                "token": forge["tokens"]["bot"],
                "webhook_secrets": [forge["webhook_secret"]],
                "bot_name": forge["bot_name"],
            },
            # An installation of another user could not give the agent's files to a different owner.
            "sandbox": {"image": image, "tools_image": image, "memory": "512m", "uid": os.getuid() or 10001},
            "agents.shell": {"command": ["sh", "-c", AGENT]},
            "labels": LABELS,
            "repositories": {"allow": ["acme"]},
        }
        return "".join(
            f"[{name}]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in section.items())
            for name, section in sections.items()
        )

    # A person's view of the forge.

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """Send a request that must succeed; return its JSON. `path` is below the repository, or absolute."""
        whole = path if path.startswith("/") else f"/api/v3/repos/{REPOSITORY}/{path}"
        headers = {"Authorization": f"Bearer {self.about['tokens']['ann']}"}
        url = f"{self.forge_url}{whole}".rstrip("/")
        answer = http.request(method, url, json=body, headers=headers)
        assert answer.is_success, f"{method} {whole}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else None

    def listen(self) -> None:
        """Make the forge deliver all events to the bot, from now on and after every restart."""
        config = {"url": f"{self.bot_url}/webhooks/github", "content_type": "json"}
        hook = {"config": {**config, "secret": self.about["webhook_secret"]}, "events": ["*"]}
        self.ask("POST", "hooks", hook)

    def open_issue(self, title: str) -> int:
        return int(self.ask("POST", "issues", {"title": title, "body": ""})["number"])

    def say(self, issue: int, words: str) -> None:
        self.ask("POST", f"issues/{issue}/comments", {"body": words})

    def bot_comments(self, issue: int) -> list[str]:
        found = self.ask("GET", f"issues/{issue}/comments?per_page=100")
        return [each["body"] for each in found if each["user"]["login"] == self.about["bot_name"]]

    def git(self, *words: str) -> str:
        """Run git in the forge's own repository and return its output."""
        [repository] = (self.folder / "forge" / "git").glob("*.git")
        command = ["git", "-c", "safe.directory=*", "--git-dir", str(repository), *words]
        done = subprocess.run(command, check=True, capture_output=True, text=True, env=CLOSED)
        return done.stdout.strip()

    # The ledger.

    @cached_property
    def engine(self) -> Engine:
        url = make_url(self.store_url)
        return create_engine(
            url.set(drivername="postgresql+psycopg") if self.database == "postgresql" else url
        )

    def rows(self, query: str, **values: Any) -> list[Row]:
        with self.engine.connect() as connection:
            return [dict(row) for row in connection.execute(text(query), values).mappings()]

    def row(self, query: str, **values: Any) -> Row:
        [found] = self.rows(query, **values)
        return found

    def task(self, issue: int) -> Row:
        """Return the one task of this thread."""
        query = "SELECT tasks.* FROM tasks JOIN threads ON threads.key = thread_key WHERE number = :number"
        return self.row(query, number=issue)

    def ended(self, issue: int, number: int) -> Row:
        """Return this run of the thread's task after its end."""

        def look() -> Row | None:
            found = self.rows(
                "SELECT runs.* FROM runs JOIN threads ON threads.key = thread_key"
                " WHERE threads.number = :issue AND runs.number = :number AND ended_at IS NOT NULL",
                issue=issue,
                number=number,
            )
            return found[0] if found else None

        return eventually(look)

    def unsent(self) -> list[Row]:
        return self.rows("SELECT * FROM outbox WHERE due_at IS NOT NULL ORDER BY id")


def _about(process: "subprocess.Popen[bytes]", log: Path) -> Any:
    assert process.poll() is None, log.read_text()
    described = [line for line in log.read_text().splitlines(keepends=True) if line.startswith("{")]
    return json.loads(described[-1]) if described and described[-1].endswith("\n") else None


@contextmanager
def installed(installation: Installation) -> Iterator[Installation]:
    try:
        yield installation
    finally:
        installation.close()
