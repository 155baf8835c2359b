"""Costs of runs in US dollars, and the source of each figure.

First choice: the operator's prices times the tokens that the gateway counted, which are known even for a
killed run. If a model has no price: the agent's own figure, which is the total of its session.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, Select, func, or_, select

from bot.domain.task import Run
from bot.domain.usage import Known, Spent, Total
from bot.store import usage
from bot.store.schema import runs, threads
from bot.store.schema import usage as usage_table


@dataclass(frozen=True, slots=True, kw_only=True)
class OfRun:
    """The cost of a run, with its task and repository."""

    task: str
    repository: str  # its current URL
    title: str
    spent: Spent


_SESSIONS = [runs.c[name] for name in ("id", "task", "number", "session", "session_from", "session_cost")]


def of_task(tx: Connection, task_id: str) -> dict[str, Spent]:
    """Return the cost of each run of the task by run id, oldest first."""
    which = runs.c.task == task_id
    rows = tx.execute(select(*_SESSIONS).where(which).order_by(runs.c.number))
    return {row.id: spent for row, spent in _spent(rows, usage.by_run(tx, which))}


def of_run(tx: Connection, run: Run) -> Spent:
    """Return the cost of one run."""
    return of_task(tx, run.task)[run.id]


def since(tx: Connection, day: int, *, repository: str = "") -> list[OfRun]:
    """Return the costs of all runs of the tasks that used models on `day` or later.

    With `repository`, a path or URL, only those of this repository.
    """
    used = (
        select(runs.c.task)
        .join_from(usage_table, runs, usage_table.c.run == runs.c.id)
        .join(threads, runs.c.thread_key == threads.c.key)
        .where(usage_table.c.day >= day)
    )
    if repository:
        path, url = func.lower(threads.c.path), threads.c.repository_url
        used = used.where(or_(path == repository.lower(), url == repository))
    which = runs.c.task.in_(used)
    query: Select[Any] = select(*_SESSIONS, threads.c.repository_url, threads.c.title).join_from(
        runs, threads, runs.c.thread_key == threads.c.key
    )
    rows = tx.execute(query.where(which).order_by(runs.c.task, runs.c.number))
    return [
        OfRun(task=row.task, repository=row.repository_url, title=row.title, spent=spent)
        for row, spent in _spent(rows, usage.by_run(tx, which))
    ]


def _spent(rows: Iterable[Row[Any]], totals: Mapping[str, Total]) -> Iterator[tuple[Row[Any], Spent]]:
    """Yield each run with its cost. The runs of a session have to come in order.

    An agent reports the total of its session, so a run's own cost is the total less the total reported
    before. That difference includes runs in between that were stopped before they could report; their
    costs by price are subtracted. Claude Code's total includes a run that it was asked to end and omits one
    that was killed. So after a killed run with a price, the cost of the next run, if it has no price, may
    be too low, but never too high. A total below the previous one means that the agent started over.
    """
    reported: dict[str, tuple[float, float]] = {}  # session: last total, cost by price of the runs since
    for row in rows:
        used, session = totals.get(row.id, Total()), row.session or row.session_from
        last, beyond = reported.get(row.session_from, (0.0, 0.0)) if row.session_from else (0.0, 0.0)
        if row.session_cost is None:
            spent = _of_one(used, None)
            reported[session] = last, beyond + spent.usd
        else:
            started_over = row.session_cost < last
            own = row.session_cost - beyond - (0.0 if started_over else last)
            spent = _of_one(used, max(0.0, own))
            reported[session] = row.session_cost, 0.0
        yield row, spent


def _of_one(used: Total, own: float | None) -> Spent:
    """Choose the source of a run's cost. `own` is the agent's own figure, None if it reported none."""
    if not used.unpriced and (used.requests or own is None):
        return Spent(used=used, usd=used.cost, known=Known.PRICES)
    if own is not None:
        return Spent(used=used, usd=own, known=Known.AGENT)
    return Spent(used=used, usd=used.cost, known=Known.UNKNOWN)
