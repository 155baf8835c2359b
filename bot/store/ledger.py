"""Opening the ledger: SQLite on local disk by default, PostgreSQL by URL."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine, Insert, Table, create_engine, event, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import make_url

from bot.errors import BadSettings

_CLOCK = {
    "sqlite": text("SELECT (julianday('now') - 2440587.5) * 86400.0"),
    "postgresql": text("SELECT extract(epoch from clock_timestamp())::float8"),
}


@dataclass(frozen=True, slots=True)
class Ledger:
    """The database, with the two ways to use it."""

    engine: Engine

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """One writing transaction: committed at the end, rolled back on any exception."""
        with self.engine.begin() as tx:
            yield tx

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """One consistent view, never waiting for a writer."""
        with self.engine.connect() as connection:
            yield connection.execution_options(reading=True)

    def close(self) -> None:
        self.engine.dispose()


def open_ledger(url: str) -> Ledger:
    """Connect and bring the schema up to date. Raises BadSettings on a URL that is neither database."""
    parsed = make_url(url)
    if parsed.get_backend_name() not in _CLOCK:
        raise BadSettings(
            f"[store] url must begin with sqlite:/// or postgresql://, not {parsed.drivername}."
        )
    if parsed.get_backend_name() == "postgresql":
        engine = create_engine(parsed.set(drivername="postgresql+psycopg"), pool_size=20, pool_pre_ping=True)
    else:
        if parsed.database:
            Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
        engine = create_engine(parsed, pool_size=20, connect_args={"timeout": 10})
        event.listen(engine, "connect", _on_sqlite_connect)
        event.listen(engine, "begin", _on_sqlite_begin)
    migrate(engine)
    return Ledger(engine)


def migrate(engine: Engine) -> None:
    """Bring the schema to the newest version; many processes may try at once."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    with engine.begin() as tx:
        if tx.dialect.name == "postgresql":
            tx.execute(text("SELECT pg_advisory_xact_lock(7017)"))
        config.attributes["connection"] = tx
        command.upgrade(config, "head")


def clock(tx: Connection) -> float:
    """Now, in seconds since the epoch, by the ledger's clock."""
    return float(tx.execute(_CLOCK[tx.dialect.name]).scalar_one())


def insert_new(tx: Connection, table: Table) -> Insert:
    """An INSERT that leaves a row with the same key as it is; rowcount tells which happened."""
    if tx.dialect.name == "postgresql":
        return postgresql.insert(table).on_conflict_do_nothing()
    return sqlite.insert(table).on_conflict_do_nothing()


def _on_sqlite_connect(dbapi: Any, _record: Any) -> None:
    dbapi.isolation_level = None  # transactions begin where `begin` below says, not where the driver guesses
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=10000"):
        dbapi.execute(f"PRAGMA {pragma}").close()


def _on_sqlite_begin(connection: Connection) -> None:
    # A deferred transaction that turns to writing fails at once instead of waiting its turn.
    reading = connection.get_execution_options().get("reading", False)
    connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")
