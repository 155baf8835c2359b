"""PostgreSQL and Redis of one test session: real servers on what Debian installs, ended with it.

Nothing here is skipped: a machine without the programs fails, and the message
says what to install.
"""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import psycopg
import pytest
import redis
from sqlalchemy.engine import make_url

from bot.store.ledger import open_ledger

START_LIMIT = 30.0  # seconds a server may take to answer
REDIS_DATABASES = 10_000  # one a test: a number is all the isolation a test needs


@dataclass(frozen=True, slots=True)
class Postgres:
    """A running cluster, reached by its socket. Each call gives a database nobody else uses."""

    socket_folder: Path
    _numbers: "count[int]" = field(default_factory=count)

    def url(self, database: str) -> str:
        return f"postgresql://postgres@/{database}?host={self.socket_folder}"

    def empty(self) -> str:
        """URL of a database without a table."""
        return self._create("template0")

    def migrated(self) -> str:
        """URL of a database with the ledger's tables."""
        return self._create("ledger_template")

    def drop(self, url: str) -> None:
        self._run(f'DROP DATABASE "{make_url(url).database}" WITH (FORCE)')

    def make_template(self) -> None:
        self._run("CREATE DATABASE ledger_template TEMPLATE template0")
        open_ledger(self.url("ledger_template")).close()

    def _create(self, template: str) -> str:
        name = f"test_{next(self._numbers)}"
        self._run(f'CREATE DATABASE "{name}" TEMPLATE {template}')
        return self.url(name)

    def _run(self, statement: str) -> None:
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(statement.encode())


@contextmanager
def running_postgres() -> Iterator[Postgres]:
    """A cluster in a folder of its own; as user postgres where we are root, which it refuses to be."""
    programs = _postgres_programs()
    folder = Path(tempfile.mkdtemp(prefix="forgehand-pg-"))  # short: a socket's path has 107 bytes
    user = _postgres_user(folder) if os.geteuid() == 0 else None
    try:
        initdb = [programs / "initdb", "-D", folder / "data", "-U", "postgres", "--auth=trust", "--no-sync"]
        made = subprocess.run(
            [*map(str, initdb), "--encoding=UTF8", "--locale=C.UTF-8"],
            user=user,
            cwd=folder,
            capture_output=True,
            text=True,
        )
        if made.returncode != 0:
            pytest.fail(f"initdb: {made.stderr}")
        # Durability is PostgreSQL's own business: tests of ours gain nothing from its fsync.
        options = ["fsync=off", "full_page_writes=off", "listen_addresses=", "max_connections=200"]
        server = [programs / "postgres", "-D", folder / "data", "-k", folder, *(f"--{o}" for o in options)]
        cluster = Postgres(folder)
        with _process(server, folder, user=user, stop=signal.SIGINT) as process:
            _wait_until(
                lambda: psycopg.connect(cluster.url("postgres")).close(), process, psycopg.OperationalError
            )
            cluster.make_template()
            yield cluster
    finally:
        shutil.rmtree(folder)


@contextmanager
def running_redis() -> Iterator[str]:
    """A server on a free port; its URL without a database number."""
    program = shutil.which("redis-server")
    if program is None:
        pytest.fail("There is no redis-server here: apt-get install redis-server")
    with tempfile.TemporaryDirectory(prefix="forgehand-redis-") as name:
        port = free_port()
        options = ["--port", str(port), "--bind", "127.0.0.1", "--databases", str(REDIS_DATABASES)]
        options += ["--save", "", "--maxmemory-policy", "noeviction", "--dir", name]
        url = f"redis://127.0.0.1:{port}"
        with _process([program, *options], Path(name), stop=signal.SIGTERM) as process:
            with redis.Redis.from_url(url) as client:
                _wait_until(client.ping, process, redis.ConnectionError)
            yield url


def free_port() -> int:
    """A port of the loopback that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _postgres_programs() -> Path:
    def version(folder: Path) -> float:
        return float(folder.parent.name)

    folders = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    if folders:
        return max(folders, key=version)
    found = shutil.which("initdb")
    if found is None:
        pytest.fail("There is no PostgreSQL server here: apt-get install postgresql")
    return Path(found).resolve().parent


def _postgres_user(folder: Path) -> str:
    try:
        pwd.getpwnam("postgres")
    except KeyError:
        pytest.fail(
            "PostgreSQL does not run as root, and there is no user postgres: apt-get install postgresql"
        )
    shutil.chown(folder, "postgres")
    return "postgres"


@contextmanager
def _process(
    command: Sequence[object], folder: Path, *, stop: signal.Signals, user: str | None = None
) -> Iterator["subprocess.Popen[bytes]"]:
    with (folder / "output").open("wb") as output:
        process = subprocess.Popen(
            list(map(str, command)),
            cwd=folder,
            user=user,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        process.send_signal(stop)
        process.wait(START_LIMIT)


def _wait_until(
    answers: Callable[[], object], process: "subprocess.Popen[bytes]", not_yet: type[Exception]
) -> None:
    end = time.monotonic() + START_LIMIT
    while True:
        try:
            answers()
        except not_yet as error:
            if process.poll() is not None or time.monotonic() > end:
                pytest.fail(f"{process.args!r} does not answer: {error}")
            time.sleep(0.05)
        else:
            return
