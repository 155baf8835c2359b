"""Model usage of runs, their tunnels to package hosts, and their blocked requests.

Rows contain the counts so far and are overwritten. A gateway that starts from them
counts nothing twice; one that died has lost the counts it had not written yet.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, func, select

from bot.domain.usage import Reached, Refusal, Tokens, Total, Used
from bot.store.ledger import insert_over
from bot.store.schema import refusals, runs, threads, tunnels, usage


def write(tx: Connection, run_id: str, used: Iterable[Used]) -> None:
    """Overwrite the usage of the run with the counts so far."""
    rows = [
        {
            "run": run_id,
            "day": each.day,
            "model": each.model,
            "requests": each.requests,
            "input_tokens": each.tokens.input,
            "cache_write_tokens": each.tokens.cache_write,
            "cache_read_tokens": each.tokens.cache_read,
            "output_tokens": each.tokens.output,
            "cost": each.cost,
        }
        for each in used
    ]
    if rows:
        tx.execute(insert_over(tx, usage), rows)


def write_refusals(tx: Connection, run_id: str, counted: Mapping[tuple[str, str], int]) -> None:
    """Overwrite how often the gateway has blocked each (target, reason) of the run."""
    rows = [
        {"run": run_id, "target": target, "reason": reason, "count": count}
        for (target, reason), count in counted.items()
    ]
    if rows:
        tx.execute(insert_over(tx, refusals), rows)


def write_reached(tx: Connection, run_id: str, counted: Iterable[Reached]) -> None:
    """Overwrite the tunnels of the run with the counts so far."""
    rows = [{"run": run_id, **asdict(each)} for each in counted]
    if rows:
        tx.execute(insert_over(tx, tunnels), rows)


def of_run(tx: Connection, run_id: str) -> list[Used]:
    """Return the usage of the run by day and model."""
    rows = tx.execute(select(usage).where(usage.c.run == run_id).order_by(usage.c.day, usage.c.model))
    return [
        Used(day=row.day, model=row.model, requests=row.requests, tokens=_tokens(row), cost=row.cost)
        for row in rows
    ]


def refused(tx: Connection, run_id: str) -> list[Refusal]:
    """Return the blocked requests of the run, the most frequent first."""
    rows = tx.execute(
        select(refusals.c.target, refusals.c.reason, refusals.c.count)
        .where(refusals.c.run == run_id)
        .order_by(refusals.c.count.desc(), refusals.c.target, refusals.c.reason)
    )
    return [Refusal(target=target, reason=reason, count=count) for target, reason, count in rows]


def reached(tx: Connection, run_id: str) -> list[Reached]:
    """Return the tunnels of the run, those with the most received bytes first."""
    rows = tx.execute(
        select(tunnels.c.target, tunnels.c.count, tunnels.c.sent, tunnels.c.received)
        .where(tunnels.c.run == run_id)
        .order_by(tunnels.c.received.desc(), tunnels.c.target)
    )
    return [Reached(**row._mapping) for row in rows]


def by_run(tx: Connection, which: ColumnElement[bool]) -> dict[str, Total]:
    """Return the total usage of the selected runs by run id, without runs that used nothing."""
    query = _sums(usage.c.run).where(which).group_by(usage.c.run)
    return {row.run: _as_total(row) for row in tx.execute(query)}


def of_day(tx: Connection, day: int, *, repository_url: str = "", without_run: str = "") -> Total:
    """Return the total of a day, in days since the epoch.

    With `repository_url`, only that repository counts; `without_run` does not count.
    """
    here = [runs.c.repository_url == repository_url] if repository_url else []
    return _total(tx, usage.c.day == day, usage.c.run != without_run, *here)


def of_day_at(tx: Connection, day: int, path: str) -> Total:
    """Return the total of a day in one repository. `path` is in lower case."""
    query = _sums().join(threads, runs.c.thread_key == threads.c.key)
    return _as_total(tx.execute(query.where(usage.c.day == day, func.lower(threads.c.path) == path)).one())


def ever(tx: Connection) -> tuple[int, Tokens, int]:
    """Return the numbers of all requests, tokens and blocked requests in the ledger."""
    row = tx.execute(select(*_SUMS)).one()
    refused = tx.execute(select(func.coalesce(func.sum(refusals.c.count), 0))).scalar_one()
    return int(row.requests), _tokens(row), int(refused)


_SUMS = (
    func.coalesce(func.sum(usage.c.requests), 0).label("requests"),
    *(
        func.coalesce(func.sum(usage.c[name]), 0).label(name)
        for name in ("input_tokens", "cache_write_tokens", "cache_read_tokens", "output_tokens")
    ),
    func.coalesce(func.sum(usage.c.cost), 0.0).label("cost"),
    func.coalesce(func.sum(usage.c.requests).filter(usage.c.cost.is_(None)), 0).label("unpriced"),
)


def _sums(*columns: ColumnElement[Any]) -> Select[Any]:
    return select(*columns, *_SUMS).join_from(usage, runs, usage.c.run == runs.c.id)


def _total(tx: Connection, *conditions: ColumnElement[bool]) -> Total:
    return _as_total(tx.execute(_sums().where(*conditions)).one())


def _as_total(row: Row[Any]) -> Total:
    # PostgreSQL's sums of big integers are decimals.
    return Total(
        requests=int(row.requests), tokens=_tokens(row), cost=float(row.cost), unpriced=int(row.unpriced)
    )


def _tokens(row: Row[Any]) -> Tokens:
    return Tokens(
        input=int(row.input_tokens),
        cache_write=int(row.cache_write_tokens),
        cache_read=int(row.cache_read_tokens),
        output=int(row.output_tokens),
    )
