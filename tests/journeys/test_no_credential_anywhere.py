"""The forge's token and the models' key are in no place that others can read, during and after a run.

Short-lived things (a helper container, the arguments of a push) are watched all the time, and git's
requests are slowed down so that the watch can see them. The same search must find the task's id in
every one of these places, and must find the token in the one place that needs it: the environment
of git on the host. The key must have reached the models.
"""

import base64
import json
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from docker.errors import NotFound
from sqlalchemy import MetaData, select
from starlette.types import ASGIApp

from bot.domain.outcomes import Outcome
from bot.sandbox.engine.client import connect
from bot.store.data_folder import DataFolder
from bot.store.shared_keys import link_key, task_url
from tests.journeys.agents.talk import KEY
from tests.journeys.world import HOLD, World, shell
from tests.support import http
from tests.support.model_provider import ModelServer
from tests.support.playground_faults import Fault, Faults
from tests.support.playground_gitlab import PLAYGROUNDS, AnyPlayground
from tests.support.waiting import eventually

pytestmark = pytest.mark.alike

CHANGE = f"""
python3 - <<'PY'
import os, urllib.request
body = b'{{"model": "claude-x"}}'
token = {{"x-api-key": os.environ["FORGEHAND_TOKEN"]}}
asked = urllib.request.Request(os.environ["FORGEHAND_GATEWAY"] + "/anthropic/v1/messages", body, token)
print(urllib.request.urlopen(asked).read().decode())
PY
echo one > one.txt
env | tee env.txt
tr '\\0' '\\n' </proc/1/environ
{HOLD}
"""
_SLOW = 0.4  # seconds; long enough to see everything that lives only during a git request


@pytest.fixture
def playground(forge: str, tmp_path: Path) -> Iterator[AnyPlayground]:
    def slow(app: ASGIApp) -> ASGIApp:
        faults = Faults(app)
        faults.inject(Fault.SLOW, "GET", "/info/refs$", times=100, seconds=_SLOW)
        return faults

    with PLAYGROUNDS[forge](tmp_path / "forge", wrap=slow) as running:
        yield running


class Watch:
    """A watch over this host: the arguments of processes, and the bot's containers."""

    def __init__(self, instance: str) -> None:
        self.arguments: set[bytes] = set()
        self.environments: dict[str, set[bytes]] = {}  # git's environments, by its subcommand
        self.containers: dict[str, bytes] = {}  # the engine's description, by container name
        self._engine = connect("")
        label = f"forgehand.instance={instance}"
        self._events = self._engine.events(
            decode=True, filters={"label": label, "event": ["create", "start"]}
        )
        self._done = threading.Event()

    @contextmanager
    def watching(self) -> Iterator[None]:
        threads = [threading.Thread(target=each) for each in (self._processes, self._inspect)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._done.set()
            self._events.close()
            for thread in threads:
                thread.join()

    def _processes(self) -> None:
        while not self._done.wait(0.02):
            for folder in Path("/proc").glob("[0-9]*"):
                with suppress(OSError):  # the process has ended, or cannot be read by this user
                    arguments = (folder / "cmdline").read_bytes()
                    self.arguments.add(arguments)
                    program, _, rest = arguments.partition(b"\0")
                    verb = rest.partition(b"\0")[0].decode(errors="replace")
                    if program == b"git" and verb in ("fetch", "push"):
                        environment = (folder / "environ").read_bytes()
                        self.environments.setdefault(verb, set()).add(environment)

    def _inspect(self) -> None:
        for event in self._events:
            with suppress(NotFound):
                found = self._engine.inspect_container(event["id"])
                name = found["Name"].lstrip("/")
                self.containers[name] = self.containers.get(name, b"") + json.dumps(found).encode()


def _files(folder: Path) -> bytes:
    """Return the names and contents of all files below."""
    found = [path for path in folder.rglob("*") if not path.is_symlink()]
    contents = [path.read_bytes() for path in found if path.is_file()]
    return b"\n".join([*(str(path).encode() for path in found), *contents])


def _dump(world: World) -> bytes:
    """Return every column of every row of every table."""
    tables = MetaData()
    with world.ledger.read() as tx:
        tables.reflect(tx)
        rows = [row for table in tables.sorted_tables for row in tx.execute(select(table))]
    assert {"deliveries", "tasks", "runs", "workspaces", "outbox", "log"} <= set(tables.tables)
    cells = [cell for row in rows for cell in row]
    return b"\n".join(cell if isinstance(cell, bytes) else str(cell).encode() for cell in cells)


def _places(world: World, watch: Watch) -> dict[str, bytes]:
    return {
        "container inspect": b"\n".join(watch.containers.values()),
        "workspaces": _files(world.data / "workspaces"),
        "raw logs": _files(world.data / "logs"),
        "the bot's log": world.output().encode(),
        "argument lists": b"\n".join(watch.arguments),
        "ledger": _dump(world),
        "mirrors and quarantines": _files(world.data / "mirrors") + _files(world.data / "quarantine"),
        "comments": "\n".join(world.bot_comments(1)).encode(),
        "page": _page(world),
    }


def _page(world: World) -> bytes:
    """Fetch the task's page with the link from the comment."""
    key = bytes.fromhex(link_key(world.ledger, DataFolder(world.data)))
    link = task_url(f"http://127.0.0.1:{world.port}", key, world.tasks()[0].id)
    return http.get(link).raise_for_status().content


def _inside(container: str) -> bytes:
    """Return the environment of the agent and of the other processes in its container."""
    # A process may end between listing and reading; the others have the same environment.
    read = ["docker", "exec", container, "sh", "-c", "env; cat /proc/[0-9]*/environ || true"]
    return subprocess.run(read, check=True, capture_output=True).stdout


def _where(places: Mapping[str, bytes], *words: str) -> set[str]:
    return {name for name, content in places.items() for word in words if word.encode() in content}


def _forms(token: str) -> list[str]:
    """Return the token, and the part of its base64 form that a basic authentication header contains."""
    whole = [token, f"x-access-token:{token}", f"oauth2:{token}", f"{token}:"]
    return [token, *(base64.b64encode(text.encode()).decode().rstrip("=") for text in whole)]


@dataclass
class Seen:
    """The contents of every place: while the agent waits, after a push, and after a refused push."""

    watch: Watch
    task: str
    runs: list[str]
    during: dict[str, bytes]
    after: list[dict[str, bytes]]


@pytest.fixture
def models() -> Iterator[ModelServer]:
    with ModelServer.running() as models:
        yield models


@pytest.fixture
def seen(embedded: World, models: ModelServer) -> Seen:
    embedded.settings["models"] = {"anthropic": {"url": models.url, "key": KEY}}
    embedded.start()
    watch = Watch((embedded.data / "instance").read_text())
    with watch.watching():
        embedded.say(1, "/run " + shell(CHANGE))
        run = embedded.until_running()
        eventually(lambda: b"FORGEHAND_RUN" in _files(embedded.data / "logs"))
        inside = {"environment inside": _inside(f"forgehand-{run.id}")}
        during = {**_places(embedded, watch), **inside}
        embedded.let_continue(run)
        task, first = embedded.task_after_run(1)
        assert first.outcome is Outcome.PUSHED, first.reason
        embedded.final_comment(1, first)
        after = [_places(embedded, watch)]

        embedded.playground.protect(task.branch)
        embedded.say(1, "/resume more " + shell("echo two > two.txt"))
        task, second = embedded.task_after_run(2)
        assert second.outcome is Outcome.PUSH_REJECTED, second.reason
        embedded.final_comment(1, second)
        after.append(_places(embedded, watch))
    return Seen(watch, task.id, [first.id, second.id], during, after)


def test_no_credential_is_in_any_place_that_others_can_read(
    playground: AnyPlayground, models: ModelServer, seen: Seen
) -> None:
    token = _forms(playground.token)
    key = _forms(KEY)

    for places in (seen.during, *seen.after):
        assert _where(places, *token, *key) == set()

    # The search itself works: it finds the task in all of these places, and the token in git's environment.
    # The bot's log is left out, because it reports only ends of runs.
    assert _where(seen.during, seen.task) == set(seen.during) - {"the bot's log"}
    for places in seen.after:
        assert _where(places, seen.task) == set(places)
    assert [each.key for each in models.asked] == [KEY]
    for environments in seen.watch.environments.values():
        assert _where({"git": b"\n".join(environments)}, *token)
    # The watch saw the short-lived things.
    helpers = {name.rpartition("-")[2] for name in seen.watch.containers}
    assert {"prepare", "export"} <= helpers
    assert {f"forgehand-{run}" for run in seen.runs} <= set(seen.watch.containers)
    assert set(seen.watch.environments) == {"fetch", "push"}
    assert any(b"git-remote-http" in line for line in seen.watch.arguments)
