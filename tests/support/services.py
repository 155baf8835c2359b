"""PostgreSQL and Redis for one test session: real servers from Debian's packages, stopped at its end.

Nothing here is skipped. On a machine without the programs the tests fail, and the message names the
package to install.
"""

import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import psycopg
import pytest
import redis
from sqlalchemy.engine import make_url

from bot.store.ledger import open_ledger
from bot.store.schema import metadata
from tests.support.server_process import Server

REDIS_DATABASES = 10_000  # one per test: its number isolates a test
# A database's version, its tables and indexes, and the planner's statistics on their rows.
_BESIDE_ROWS = b"""
SELECT (SELECT array_agg(version_num) FROM alembic_version),
       (SELECT array_agg(format('%s.%s', attrelid::regclass, attname) ORDER BY attrelid, attnum)
        FROM pg_attribute WHERE attrelid >= 16384),  -- PostgreSQL's own are below
       (SELECT count(*) FROM pg_stats WHERE schemaname = 'public')
"""
_EMPTY = "".join(f"DELETE FROM {table.name};" for table in reversed(metadata.sorted_tables)) + (
    "SELECT setval(oid::regclass, 1, false) FROM pg_class WHERE relkind = 'S'"
)


@dataclass(frozen=True, slots=True)
class Redis:
    """A running server. Its URL has no database number."""

    url: str
    server: Server


@dataclass(slots=True)
class Postgres:
    """A running cluster, reached by its socket. Each call returns a database that no other test uses."""

    socket_folder: Path
    server: Server
    _numbers: "count[int]" = field(default_factory=count)
    _spare: list[str] = field(default_factory=list)  # URLs
    _as_made: object = None  # the state of a new database, except its rows

    def url(self, database: str) -> str:
        return _url(self.socket_folder, database)

    def empty(self) -> str:
        """Return the URL of a database without tables."""
        return self._create("template0")

    def migrated(self) -> str:
        """Return the URL of a database with the ledger's tables and no rows."""
        return self._spare.pop() if self._spare else self._create("ledger_template")

    def give_back(self, url: str) -> None:
        """Take back a migrated database from a finished test. Empty and rename it for the next test.

        Creating a database takes fifty times the processor time. A thread that a test left behind
        finds nothing under the old name. A database whose structure has changed is dropped.
        """
        old, new = make_url(url).database, f"test_{next(self._numbers)}"
        self._run(
            *_closing(old),
            f'ALTER DATABASE "{old}" RENAME TO "{new}"',
            f'ALTER DATABASE "{new}" ALLOW_CONNECTIONS true',
        )
        with psycopg.connect(self.url(new)) as connection:
            if connection.execute(_BESIDE_ROWS).fetchone() == self._as_made:
                connection.execute(_EMPTY.encode())
                self._spare.append(self.url(new))
                return
        self._run(f'DROP DATABASE "{new}"')

    @contextmanager
    def unavailable(self, url: str) -> Iterator[None]:
        """Keep all clients out of this database during the block."""
        name = make_url(url).database
        self._run(*_closing(name))
        try:
            yield
        finally:
            self._run(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')

    def make_template(self) -> None:
        self._run("CREATE DATABASE ledger_template TEMPLATE template0")
        open_ledger(self.url("ledger_template")).close()
        with psycopg.connect(self.url("ledger_template")) as connection:
            self._as_made = connection.execute(_BESIDE_ROWS).fetchone()

    def _create(self, template: str) -> str:
        name = f"test_{next(self._numbers)}"
        self._run(f'CREATE DATABASE "{name}" TEMPLATE {template}')
        return self.url(name)

    def _run(self, *statements: str) -> None:
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement.encode())


def _closing(name: str | None) -> tuple[str, str]:
    """Return statements that refuse new connections to a database and end the existing ones."""
    return (
        f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false',
        f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'",
    )


@contextmanager
def running_postgres() -> Iterator[Postgres]:
    """Run a cluster in its own folder during the block.

    PostgreSQL refuses to run as root, so root runs it as user postgres.
    """
    # short, because a socket's path has at most 107 bytes
    folder = Path(tempfile.mkdtemp(prefix="forgehand-pg-"))
    try:
        server = _cluster(_postgres_programs(), folder, _postgres_user(folder) if os.geteuid() == 0 else None)
        with server.running():
            cluster = Postgres(folder, server)
            cluster.make_template()
            yield cluster
    finally:
        shutil.rmtree(folder)


def _cluster(programs: Path, folder: Path, user: str | None) -> Server:
    """Create a cluster, and do not start it."""
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
    # PostgreSQL itself is responsible for durability: the bot's tests gain nothing from fsync.
    options = ["fsync=off", "full_page_writes=off", "listen_addresses=", "max_connections=200"]
    return Server(
        command=[programs / "postgres", "-D", folder / "data", "-k", folder, *(f"--{o}" for o in options)],
        folder=folder,
        user=user,
        answers=lambda: psycopg.connect(_url(folder, "postgres")).close(),
        not_yet=psycopg.OperationalError,
        stop_by=signal.SIGINT,
    )


def _url(socket_folder: Path, database: str) -> str:
    return f"postgresql://postgres@/{database}?host={socket_folder}"


@contextmanager
def running_redis() -> Iterator[Redis]:
    """Run a server on a free port during the block. Its data is gone when it stops."""
    program = shutil.which("redis-server")
    if program is None:
        pytest.fail("There is no redis-server here: apt-get install redis-server")
    with tempfile.TemporaryDirectory(prefix="forgehand-redis-") as name:
        port = free_port()
        options = ["--port", str(port), "--bind", "127.0.0.1", "--databases", str(REDIS_DATABASES)]
        options += ["--save", "", "--maxmemory-policy", "noeviction", "--dir", name]
        url = f"redis://127.0.0.1:{port}"
        with redis.Redis.from_url(url) as client:
            server = Server(
                command=[program, *options],
                folder=Path(name),
                answers=client.ping,
                not_yet=redis.ConnectionError,
                stop_by=signal.SIGTERM,
            )
            with server.running():
                yield Redis(url, server)


def free_port() -> int:
    """Return a loopback port on which no process listens now.

    The kernel does not assign these ports by itself, so the port is free until it is bound.
    """
    below = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    while True:
        port = secrets.choice(range(10_000, max(below, 20_000)))
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


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
