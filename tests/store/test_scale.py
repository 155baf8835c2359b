"""Frequent queries read only open tasks, with any number of ended ones.

The query plans are those of the statements that the program really executes: the
test records the statements and lets the database explain them.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import Connection, event

from bot.domain.lifecycle import State
from bot.domain.usage import Used
from bot.store import causes, claims, costs, deliveries, outbox, tasks, usage, workspaces
from bot.store.deliveries import Delivery
from bot.store.ledger import Ledger
from bot.store.outbox import NewItem, Outgoing
from bot.store.schema import metadata
from tests.store.long_history import BIG, fill
from tests.support.rows import a_worker, add_run, claimed, nobody_is_dead

Statement = tuple[str, Any]

# The size of these is bounded by the number of open tasks, so they may be read whole.
PARTIAL = {
    index.name
    for table in metadata.tables.values()
    for index in table.indexes
    if index.kwargs.get("sqlite_where") is not None
}
TODAY = 20_000  # days since the epoch, long after all finished tasks
# These are read in the requested order, only until there are enough rows.
IN_ORDER = {"ix_tasks_created_at"}

ASKED: dict[str, Callable[[Connection], object]] = {
    "claim": lambda tx: claims.claim_next(tx, a_worker("w2")),
    "claim by name": lambda tx: claims.claim(tx, a_worker("w2"), "past1-1"),
    "take over": lambda tx: claims.take_over(tx, a_worker("w2"), nobody_is_dead),
    "sweep: runs": lambda tx: claims.has_claimable_run(tx, a_worker("w2"), nobody_is_dead),
    "sweep: deliveries": lambda tx: deliveries.due(tx, 100),
    "sweep: outbox": lambda tx: outbox.due_threads(tx, 100),
    "sweep: workspaces": lambda tx: workspaces.past_retention(tx, "h1", 5),
    "sweep: bodies": deliveries.drop_old_bodies,
    "send: due items": lambda tx: outbox.due(tx, "github:0:issue:0"),
    "dedupe: deliveries": lambda tx: deliveries.record(
        tx, [Delivery(forge="github", id=f"past-{number}", event="ping", body=b"{}") for number in range(5)]
    ),
    "dedupe: causes": lambda tx: causes.add(tx, "github", 0, "comment:past-0"),
    "list: newest": lambda tx: tasks.newest(tx, 20),
    "list: newest of a state": lambda tx: tasks.newest(tx, 20, State.RUNNING),
    "budget: of a day": lambda tx: usage.of_day(tx, TODAY),
    "budget: of a day in a repository": lambda tx: usage.of_day(
        tx, TODAY, repository_url="https://github.com/acme/r1", without_run="t1"
    ),
    "costs: today's budgets": lambda tx: usage.of_day_at(tx, TODAY, "acme/r1"),
    "costs: lately": lambda tx: costs.since(tx, TODAY),
    "costs: lately in a repository": lambda tx: costs.since(tx, TODAY, repository="acme/r1"),
    "costs: of a task": lambda tx: costs.of_task(tx, "past1"),
    "list: of a thread": lambda tx: tasks.of_thread(tx, "github:0:issue:0"),
}


@contextmanager
def recorded_statements(tx: Connection) -> Iterator[list[Statement]]:
    """Record the statements executed in the block, each with (the first of) its parameters."""
    found: list[Statement] = []

    def catch(_connection: Any, _cursor: Any, sql: str, parameters: Any, _context: Any, many: bool) -> None:  # noqa: FBT001 - SQLAlchemy's own
        found.append((sql, parameters[0] if many else parameters))

    event.listen(tx, "before_cursor_execute", catch)
    yield found
    event.remove(tx, "before_cursor_execute", catch)


def scans(tx: Connection, statement: Statement) -> list[str]:
    """Return the steps of this statement's plan that read a whole big table."""
    explain = _explained_by_sqlite if tx.dialect.name == "sqlite" else _explained_by_postgresql
    return [words for words, index in explain(tx, statement) if index not in PARTIAL | IN_ORDER]


def _explained_by_sqlite(tx: Connection, statement: Statement) -> Iterator[tuple[str, str]]:
    sql, parameters = statement
    for row in tx.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}", parameters):
        if (table := re.match(r"SCAN (\w+)", row.detail)) and table[1] in {*BIG, "other"}:
            index = re.search(r"USING (?:COVERING )?INDEX (\w+)", row.detail)
            yield row.detail, index[1] if index else ""


def _explained_by_postgresql(tx: Connection, statement: Statement) -> Iterator[tuple[str, str]]:
    sql, parameters = statement
    nodes = [
        row["Plan"] for row in tx.exec_driver_sql(f"EXPLAIN (FORMAT JSON) {sql}", parameters).scalar_one()
    ]
    while nodes:
        node = nodes.pop()
        nodes += node.get("Plans", [])
        if node.get("Relation Name") in BIG or "Index Name" in node:
            reads_all = "Scan" in node["Node Type"] and not {"Index Cond", "Recheck Cond"} & node.keys()
            if reads_all:
                yield f"{node['Node Type']} {node.get('Relation Name')}", node.get("Index Name", "")


def _add_open_work(tx: Connection) -> None:
    """Add queued runs, a running one, and an item to send."""
    claimed(tx)
    for _ in range(10):
        run = add_run(tx)
        usage.write(tx, run.id, [Used(day=TODAY, model="m", requests=1)])
        outbox.put(tx, NewItem(subject=run.id, kind=Outgoing.FINAL, thread_key=run.thread_key, content={}))


def _check_that_no_query_reads_all_rows(ledger: Ledger) -> None:
    with ledger.write() as tx:
        _add_open_work(tx)
    found = {}
    for name, ask in ASKED.items():
        with ledger.write() as tx:
            with recorded_statements(tx) as statements:
                ask(tx)
            assert statements
            found[name] = [scan for statement in statements for scan in scans(tx, statement)]

    assert {name: scan for name, scan in found.items() if scan} == {}


def test_with_thousands_of_tasks_no_query_reads_all_rows(ledger: Ledger) -> None:
    fill(ledger, 20_000)

    _check_that_no_query_reads_all_rows(ledger)


@pytest.mark.long
def test_with_a_hundred_thousand_tasks_no_query_reads_all_rows(ledger: Ledger) -> None:
    fill(ledger, 100_000)

    _check_that_no_query_reads_all_rows(ledger)


def test_a_plan_that_reads_all_rows_is_recognised(ledger: Ledger) -> None:
    fill(ledger, 20_000)

    with ledger.write() as tx:
        with recorded_statements(tx) as statements:
            tx.exec_driver_sql("SELECT * FROM runs WHERE summary = 'none'").all()
        assert [bool(scans(tx, statement)) for statement in statements] == [True]
