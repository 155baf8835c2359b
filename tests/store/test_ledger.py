"""Opening the ledger, and its two kinds of transaction."""

import re
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
from alembic import op
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.operations import Operations
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, select, text
from sqlalchemy.exc import DBAPIError, OperationalError

import bot.store.migrations
from bot.domain.errors import BadSettings, LedgerUnavailable, NotPossible
from bot.store import causes, deliveries, removals, workspaces
from bot.store.deliveries import Delivery
from bot.store.ledger import Ledger, clock, insert_new, open_ledger
from bot.store.migrations import NEWEST
from bot.store.migrations.versions import r0003_hosts
from bot.store.removals import Key, Removal
from bot.store.schema import hosts, metadata, senders
from tests.support.rows import a_thread, add_task
from tests.support.services import Postgres


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.servers)])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return the URL of a database without tables."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'new' / 'ledger.db'}"
    postgres: Postgres = request.getfixturevalue("postgres")
    return postgres.empty()


def test_the_migrations_make_exactly_the_schema(empty_url: str) -> None:
    ledger = open_ledger(empty_url)

    with ledger.read() as connection:
        # Alembic reads a default of '' in SQLite as no default.
        defaults = connection.dialect.name == "postgresql"
        context = MigrationContext.configure(connection, opts={"compare_server_default": defaults})
        assert compare_metadata(context, metadata) == []
        assert _partial_indexes(connection) == _partial_indexes_of_the_schema(connection.dialect.name)
    ledger.close()


def _partial_indexes(connection: Connection) -> int:
    """Count the indexes with a WHERE, which Alembic does not compare."""
    where = {
        "sqlite": "SELECT count(*) FROM sqlite_master WHERE type = 'index' AND sql LIKE '% WHERE %'",
        "postgresql": "SELECT count(*) FROM pg_indexes WHERE indexdef LIKE '% WHERE %'",
    }
    return int(connection.execute(text(where[connection.dialect.name])).scalar_one())


def _partial_indexes_of_the_schema(dialect: str) -> int:
    option = f"{dialect}_where"
    indexes = [index for table in metadata.tables.values() for index in table.indexes]
    return sum(index.kwargs.get(option) is not None for index in indexes)


def test_the_migration_adds_hosts_that_have_workspaces(empty_url: str) -> None:
    ledger = open_ledger(empty_url)
    with ledger.write() as tx:
        for number, host in enumerate(("h1", "h1", "h2")):
            workspaces.mark_in_use(tx, add_task(tx, a_thread(number + 1)).id, host)
        context = MigrationContext.configure(tx)
        with Operations.context(context):
            for table in ("hosts", "keys"):
                op.drop_table(table)
            op.drop_index("ix_workspaces_present", table_name="workspaces")
            op.drop_column("workspaces", "lost")
            op.create_index("ix_workspaces_keep", "workspaces", ["keep_until"])
            r0003_hosts.upgrade()

        found = tx.execute(select(hosts).order_by(hosts.c.name)).all()
        assert [(row.name, row.folder) for row in found] == [("h1", ""), ("h2", "")]
        assert all(row.seen_at == pytest.approx(clock(tx), abs=5) for row in found)
    ledger.close()


def test_a_ledger_without_removals_keeps_its_workspaces(empty_url: str) -> None:
    ledger = open_ledger(empty_url)
    with ledger.write() as tx:
        task = add_task(tx, a_thread(1)).id
        workspaces.mark_in_use(tx, task, "h1")
        workspaces.retain(tx, task, 1.0)
        tx.execute(text("DROP TABLE removals"))
        tx.execute(text("ALTER TABLE runs DROP COLUMN unexported"))
        tx.execute(text("DROP INDEX ix_outbox_look"))
        tx.execute(text("ALTER TABLE outbox DROP COLUMN look_at"))
        for column in ("described_at", "located_at"):
            tx.execute(text(f"ALTER TABLE threads DROP COLUMN {column}"))
        tx.execute(text("ALTER TABLE workspaces DROP COLUMN uid"))
        tx.execute(text("ALTER TABLE runs DROP COLUMN moved"))
        tx.execute(text("ALTER TABLE tasks DROP COLUMN left_head"))
        tx.execute(text("ALTER TABLE runs DROP COLUMN title"))
        tx.execute(text("ALTER TABLE patches DROP COLUMN commits"))
        tx.execute(text("UPDATE alembic_version SET version_num = '0006'"))
    ledger.close()

    ledger = open_ledger(empty_url)

    with ledger.write() as tx:
        assert workspaces.past_retention(tx, "h1", 10) == [task]
        assert removals.begin(tx, Key("h1", task, "h1/w1"), task)
        assert removals.of_host(tx, "h1") == {task: Removal("h1", task, task, "h1/w1", 0, 0, 0.0)}
    ledger.close()


COMMENT = "text of a comment"


@pytest.mark.parametrize(
    ("statement", "name"),
    [
        ("INSERT INTO deliveries SELECT * FROM deliveries", "deliveries"),
        ("INSERT INTO deliveries (forge, id, event) VALUES ('github', :text, 'x')", "received_at"),
        ("INSERT INTO deliveries (forge, id, event) VALUES ('github', :text, 'x', 'y')", ""),
        ("UPDATE deliveries SET attempts = CAST(:text AS integer)", ""),
        ("SELECT :text FROM no_such_table", ""),
    ],
    ids=["unique", "not-null", "syntax", "type", "table"],
)
def test_an_error_of_the_ledger_quotes_no_value(ledger: Ledger, statement: str, name: str) -> None:
    with ledger.write() as tx:
        deliveries.record(tx, [Delivery(forge="github", id=COMMENT, event=COMMENT, body=COMMENT.encode())])

    try:
        with ledger.write() as tx:
            tx.execute(text(statement), {"text": COMMENT} if ":text" in statement else {})
    except (DBAPIError, LedgerUnavailable) as error:
        logged = "".join(traceback.format_exception(error))
    else:
        # SQLite converts any text to a number.
        assert (ledger.engine.dialect.name, "CAST" in statement) == ("sqlite", True)
        return

    assert COMMENT not in logged
    assert COMMENT.encode().hex() not in logged
    assert name in logged.replace(statement, "")


def test_the_fast_path_knows_the_newest_migration() -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(bot.store.migrations.__file__).parent))

    assert ScriptDirectory.from_config(config).get_heads() == [NEWEST]


@pytest.mark.waits
def test_four_processes_can_open_one_new_ledger_at_the_same_time(empty_url: str) -> None:
    program = "import sys; from bot.store.ledger import open_ledger; open_ledger(sys.argv[1]).close()"
    openers = [
        subprocess.Popen([sys.executable, "-c", program, empty_url], stderr=subprocess.PIPE, text=True)
        for _ in range(4)
    ]

    errors = [opener.communicate(timeout=60)[1] for opener in openers]

    assert errors == [""] * 4
    assert [opener.returncode for opener in openers] == [0] * 4


@pytest.mark.waits
def test_an_up_to_date_ledger_opens_without_alembic(ledger_url: str) -> None:
    program = (
        "import sys; from bot.store.ledger import open_ledger; open_ledger(sys.argv[1]).close();"
        "print([name for name in sys.modules if name.split('.')[0] == 'alembic'])"
    )

    done = subprocess.run(
        [sys.executable, "-c", program, ledger_url], capture_output=True, text=True, check=True, timeout=60
    )

    assert (done.stdout, done.stderr) == ("[]\n", "")


def test_a_newer_ledger_is_refused_with_the_reason(ledger_url: str) -> None:
    ledger = open_ledger(ledger_url)
    with ledger.write() as tx:
        tx.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    ledger.close()

    with pytest.raises(BadSettings, match=r"9999.* Install that version again, or restore"):
        open_ledger(ledger_url)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "nonsense",
        "mysql://root@localhost/x",
        "sqlite://",
        "sqlite:///:memory:",
        "http://example.org",
        "sqlite:////tmp/a\0b",
        "postgresql://bot@/a\0b",
        "sqlite:////proc/folder/ledger.db",
        f"sqlite:////tmp/{'x' * 256}/ledger.db",
        f"sqlite:////tmp/{'x' * 256}",
        f"sqlite:////tmp/{'x/' * 2048}ledger.db",
    ],
)
def test_a_url_that_is_not_of_a_durable_database_is_refused(url: str) -> None:
    with pytest.raises(BadSettings, match=r"\[store\] url"):
        open_ledger(url)


def test_a_password_in_an_invalid_url_is_not_in_the_error() -> None:
    with pytest.raises(BadSettings) as refusal:
        open_ledger("postgresql://bot:hunter2@host:port/ledger")

    assert "hunter2" not in str(refusal.value)
    assert refusal.value.__cause__ is None


def test_a_write_is_rolled_back_by_any_exception(ledger: Ledger) -> None:
    with pytest.raises(NotPossible), ledger.write() as tx:
        _write_and_fail(tx)

    with ledger.write() as tx:
        assert causes.add(tx, "github", 1, "comment:1")


def _write_and_fail(tx: Connection) -> None:
    causes.add(tx, "github", 1, "comment:1")
    raise NotPossible


def test_a_reader_sees_one_state_and_does_not_wait_for_a_writer(ledger: Ledger) -> None:
    with ledger.read() as reader:
        assert _count(reader) == 0
        with ledger.write() as writer:
            assert causes.add(writer, "github", 1, "comment:1")
            assert _count(reader) == 0
            with ledger.read() as other:
                assert _count(other) == 0

        assert _count(reader) == 0
    with ledger.read() as reader:
        assert _count(reader) == 1


def test_a_reader_that_writes_is_refused(ledger: Ledger) -> None:
    with ledger.read() as reader, pytest.raises(DBAPIError, match=r"read-?only"):
        causes.add(reader, "github", 1, "comment:1")


def test_a_connection_can_write_after_reading(ledger: Ledger) -> None:
    with ledger.read() as reader:
        first = reader.connection.dbapi_connection
    with ledger.write() as tx:
        assert tx.connection.dbapi_connection is first
        assert causes.add(tx, "github", 1, "comment:1")


def test_ten_simultaneous_writers_all_succeed(ledger_url: str) -> None:
    failures: list[DBAPIError] = []
    ledgers = [open_ledger(ledger_url) for _ in range(10)]

    def write(writer: int) -> None:
        try:
            for number in range(20):
                with ledgers[writer].write() as tx:
                    causes.add(tx, "github", writer, f"comment:{number}")
        except DBAPIError as error:
            failures.append(error)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert failures == []
    with ledgers[0].read() as reader:
        assert _count(reader) == 200
    for ledger in ledgers:
        ledger.close()


def test_the_clock_of_the_ledger_is_the_time_of_day(ledger: Ledger) -> None:
    with ledger.read() as reader:
        before = time.time()
        now = clock(reader)

    assert now == pytest.approx(before, abs=1.0)


def test_insert_new_tells_whether_the_row_is_new(ledger: Ledger) -> None:
    row = {"thread_key": "t", "holder": "h", "until": 1.0}
    with ledger.write() as tx:
        assert [tx.execute(insert_new(tx, senders).values(row)).rowcount for _ in range(2)] == [1, 0]


def test_sqlite_has_the_settings_for_durable_commits(sqlite_ledger: Ledger) -> None:
    with sqlite_ledger.write() as tx:
        pragmas = {
            name: tx.exec_driver_sql(f"PRAGMA {name}").scalar() for name in ("journal_mode", "synchronous")
        }

    assert pragmas == {"journal_mode": "wal", "synchronous": 2}


def _count(connection: Connection) -> int:
    return int(connection.execute(text("SELECT count(*) FROM causes")).scalar_one())


def test_postgresql_has_a_time_limit_for_idle_transactions(postgres_url: Callable[[], str]) -> None:
    ledger = open_ledger(postgres_url())

    with ledger.read() as tx:
        limit = tx.execute(text("SHOW idle_in_transaction_session_timeout")).scalar_one()

    assert limit == "10s"
    ledger.close()


@pytest.mark.parametrize(
    ("statement", "reason", "error"),
    [
        (None, "Connection refused", BadSettings),
        (None, 'database "x" does not exist', BadSettings),
        (None, "FATAL:  the database system is starting up", LedgerUnavailable),
        ("SELECT 1", "server closed the connection unexpectedly", LedgerUnavailable),
    ],
)
def test_only_a_postgresql_that_was_there_or_is_starting_is_worth_waiting_for(
    monkeypatch: pytest.MonkeyPatch, statement: str | None, reason: str, error: type[Exception]
) -> None:
    def failing(_engine: Engine, **_named: bool) -> None:
        raise OperationalError(statement, None, psycopg.OperationalError(reason))

    monkeypatch.setattr("bot.store.ledger.migrate", failing)

    with pytest.raises(error, match=re.escape(reason)):
        open_ledger("postgresql://nobody@127.0.0.1:1/x")
