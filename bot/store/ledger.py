"""The ledger: a SQLite database on local disk by default, or PostgreSQL by URL."""

import sqlite3
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from threading import RLock
from typing import Any

from sqlalchemy import (
    URL,
    Connection,
    Engine,
    ExceptionContext,
    Insert,
    Table,
    create_engine,
    event,
    text,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import make_url
from sqlalchemy.exc import (
    ArgumentError,
    DatabaseError,
    DBAPIError,
    InterfaceError,
    InternalError,
    OperationalError,
)

from bot.domain.errors import BadSettings, LedgerUnavailable, NoLedger
from bot.store.migrations.upgrade import migrate

CLOCK = {  # seconds since the epoch, as SQL of each dialect
    "sqlite": "(julianday('now') - 2440587.5) * 86400.0",
    "postgresql": "extract(epoch from clock_timestamp())::float8",
}
# SQLAlchemy raises these if the ledger is unavailable or has closed the connection.
_AWAY = (OperationalError, InterfaceError, InternalError)
_IDLE_TRANSACTION = 10  # seconds
_ASK_CLOCK = {dialect: text(f"SELECT {now}") for dialect, now in CLOCK.items()}


@dataclass(frozen=True, slots=True)
class Ledger:
    """The database, opened for writing or for reading."""

    engine: Engine
    turns: AbstractContextManager[object]  # admits one writer of this process at a time, or does nothing

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """Open a writing transaction for the block; any exception rolls it back.

        Raises LedgerUnavailable.
        """
        with _unavailable(), self.turns, self.engine.begin() as tx:
            yield tx

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Open one consistent view for the block; it never waits for a writer. Raises LedgerUnavailable."""
        with _unavailable(), self.engine.connect() as connection:
            if connection.dialect.name == "postgresql":
                connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
            else:
                connection.execution_options(reading=True)
            yield connection

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()


@contextmanager
def _unavailable() -> Iterator[None]:
    try:
        yield
    except _AWAY as error:
        reason = str(error.orig).strip().split("\n")[0]
        raise LedgerUnavailable(f"{type(error).__name__}: {reason}") from error


def open_ledger(url: str, *, was_there: bool = False, create: bool = True) -> Ledger:
    """Connect to the ledger and bring its schema up to date.

    Raises BadSettings if the URL names neither kind of database, if the database cannot be opened or is
    damaged, or if the ledger is newer than this program; LedgerUnavailable if PostgreSQL goes away
    meanwhile, or starts. `was_there` says that it answered before: then it is also away if it refuses
    connections. Without `create` nothing is made: NoLedger is raised if there is no ledger.
    """
    engine = _engine(url, create=create)
    try:
        with _unavailable(), damage_reported(url):
            migrate(engine, create=create)
    except LedgerUnavailable as error:
        engine.dispose()
        if was_there or _is_passing(error.__cause__):
            raise
        reason = str(error).partition(": ")[2]
        raise BadSettings(f"The ledger at [store] url cannot be opened: {reason}.") from None
    except BaseException:
        engine.dispose()
        raise
    # Writers of SQLite wait by retrying up to 100 ms apart, and some starve. Of 1000 writes by ten threads
    # on a busy machine the slowest took 4 s; with turns, 0.2 s. Processes have no such turns.
    return Ledger(engine, RLock() if engine.dialect.name == "sqlite" else nullcontext())


@contextmanager
def damage_reported(url: str) -> Iterator[None]:
    """Raise BadSettings with a remedy if the SQLite file turns out to be damaged during the block."""
    try:
        yield
    except DatabaseError as error:
        if type(error.orig) is not sqlite3.DatabaseError:  # its subclasses have other causes
            raise
        raise BadSettings(
            f"The ledger {make_url(url).database} is damaged ({error.orig}). Stop the bot and restore a "
            "backup of this file: see docs/operating.md, Backups."
        ) from None


def _is_passing(error: object) -> bool:
    """Report whether PostgreSQL closed a connection, or starts or stops; refused ones have no statement."""
    if not isinstance(error, DBAPIError) or isinstance(error.orig, sqlite3.Error):
        return False
    return error.statement is not None or "the database system is " in str(error.orig)


def _engine(url: str, *, create: bool = True) -> Engine:
    try:
        parsed = make_url("" if "\0" in url else url)  # no database's driver takes a NUL
    except (ArgumentError, ValueError):
        raise BadSettings("[store] url is not a URL.") from None  # the cause may contain a password
    if parsed.get_backend_name() == "postgresql":
        engine = create_engine(
            parsed.set(drivername="postgresql+psycopg"),
            pool_size=20,
            pool_pre_ping=True,
            hide_parameters=True,
        )
        event.listen(engine, "connect", _on_postgresql_connect)
        event.listen(engine, "handle_error", _on_error)
        return engine
    if parsed.get_backend_name() == "sqlite" and parsed.database not in {None, "", ":memory:"}:
        file = Path(str(parsed.database))
        if not create and not (file.is_file() and file.stat().st_size):
            raise NoLedger(f"There is no ledger at {file}.")
        return _sqlite_engine(parsed)
    raise BadSettings("[store] url must be sqlite:///<file> or postgresql://<user>@<host>/<database>.")


def _sqlite_engine(url: URL) -> Engine:
    try:
        Path(str(url.database)).parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason = error.strerror
        raise BadSettings(f"The folder of the ledger at [store] url cannot be made: {reason}.") from None
    engine = create_engine(url, pool_size=20, connect_args={"timeout": 10}, hide_parameters=True)
    event.listen(engine, "connect", _on_sqlite_connect)
    event.listen(engine, "handle_error", _on_error)
    event.listen(engine, "begin", _on_sqlite_begin)
    return engine


def clock(tx: Connection) -> float:
    """Return the time in seconds since the epoch, by the ledger's clock."""
    return float(tx.execute(_ASK_CLOCK[tx.dialect.name]).scalar_one())


def insert_new(tx: Connection, table: Table) -> Insert:
    """Build an INSERT that leaves an existing row with the same key; rowcount tells whether it inserted."""
    # By default SQLAlchemy closes psycopg's cursor after an INSERT, and the count is lost.
    return _insert(tx, table).on_conflict_do_nothing().execution_options(preserve_rowcount=True)


def insert_over(tx: Connection, table: Table) -> Insert:
    """Build an INSERT that overwrites a row with the same key."""
    keys = [column.name for column in table.primary_key]
    insert = _insert(tx, table)
    values = {column.name: insert.excluded[column.name] for column in table.c if column.name not in keys}
    return insert.on_conflict_do_update(index_elements=keys, set_=values)


def _insert(tx: Connection, table: Table) -> postgresql.Insert | sqlite.Insert:
    """Build the INSERT of the dialect, which has ON CONFLICT."""
    return postgresql.insert(table) if tx.dialect.name == "postgresql" else sqlite.insert(table)


def _on_error(context: ExceptionContext) -> None:
    """Remove values from an error's messages: errors are logged, and the values are texts of people.

    Of the message of a database that is away, the first line remains, which quotes nothing. Of any other,
    only the name of the constraint or column remains.
    """
    driver, error = context.original_exception, context.sqlalchemy_exception
    if isinstance(error, DBAPIError):
        message = str(driver).strip().split("\n")[0] if isinstance(error, _AWAY) else _place_of(driver)
        driver.args, error.args = (message,), (f"({type(driver).__name__}) {message}",)


def _place_of(error: BaseException) -> str:
    """Name the constraint or the column that an error is about; "no details" if it names neither."""
    if isinstance(error, sqlite3.IntegrityError) or type(error) is sqlite3.DatabaseError:
        return str(error)  # names of columns only; of a damaged file, a sentence without a value
    diagnosis = getattr(error, "diag", None)
    named = [getattr(diagnosis, name, None) for name in ("table_name", "constraint_name", "column_name")]
    return " ".join(name for name in named if name) or "no details"


def _on_postgresql_connect(dbapi: Any, _record: Any) -> None:
    # A process that is suspended or disconnected inside a transaction would hold its locks without end.
    dbapi.execute(f"SET idle_in_transaction_session_timeout = '{_IDLE_TRANSACTION}s'")
    dbapi.commit()


def _on_sqlite_connect(dbapi: Any, _record: Any) -> None:
    dbapi.isolation_level = None  # `_on_sqlite_begin` opens transactions, not the driver
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=10000"):
        dbapi.execute(f"PRAGMA {pragma}").close()


def _on_sqlite_begin(connection: Connection) -> None:
    # IMMEDIATE: a deferred transaction that starts to write fails at once instead of waiting.
    reading = connection.get_execution_options().get("reading", False)
    connection.exec_driver_sql(f"PRAGMA query_only={reading:d}")  # PostgreSQL refuses writes, too
    connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")
