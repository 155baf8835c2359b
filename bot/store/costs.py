"""What runs cost in US dollars, and how that is known.

The operator's prices count first, times the tokens that the gateway saw: they hold for a run that was
killed, too. Where a model has none, the agent's own word does; it counts a session from its beginning.
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
    """What a run spent, and whose it is."""

    task: str
    repository: str  # URL, where it is now
    title: str
    spent: Spent


_SESSIONS = [runs.c[name] for name in ("id", "task", "number", "session", "session_from", "session_cost")]


def of_task(tx: Connection, task_id: str) -> dict[str, Spent]:
    """What each run of the task spent, by its id; oldest first."""
    which = runs.c.task == task_id
    rows = tx.execute(select(*_SESSIONS).where(which).order_by(runs.c.number))
    return {row.id: spent for row, spent in _spent(rows, usage.by_run(tx, which))}


def of_run(tx: Connection, run: Run) -> Spent:
    return of_task(tx, run.task)[run.id]


def since(tx: Connection, day: int, *, repository: str = "") -> list[OfRun]:
    """All that those tasks ever spent which used models on that day or later.

    `repository`: in this one alone, by path or URL.
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
    """What each run spent. Those of a session have to come in order.

    Of a session a run is given what its agent had not said it had cost when it last said so, and so the
    cost of runs in between that were stopped before they could say anything, less what prices know of
    those. Claude Code counts a run that it was told to end, and forgets one that was killed: after a
    killed one that has a price the next, where it has none, may be given too little, and never too much.
    A sum below the one before was begun anew.
    """
    said: dict[str, tuple[float, float]] = {}  # by session: the last sum, and what prices know beyond it
    for row in rows:
        used, session = totals.get(row.id, Total()), row.session or row.session_from
        last, beyond = said.get(row.session_from, (0.0, 0.0)) if row.session_from else (0.0, 0.0)
        if row.session_cost is None:
            spent = _of_one(used, None)
            said[session] = last, beyond + spent.usd
        else:
            begun_anew = row.session_cost < last
            own = row.session_cost - beyond - (0.0 if begun_anew else last)
            spent = _of_one(used, max(0.0, own))
            said[session] = row.session_cost, 0.0
        yield row, spent


def _of_one(used: Total, own: float | None) -> Spent:
    """`own`: by the agent's word."""
    if not used.unpriced and (used.requests or own is None):
        return Spent(used=used, usd=used.cost, known=Known.PRICES)
    if own is not None:
        return Spent(used=used, usd=own, known=Known.AGENT)
    return Spent(used=used, usd=used.cost, known=Known.UNKNOWN)
