"""What runs used of models, where else they were led, and what the gateway kept in.

Rows hold what was counted so far and are written over: a gateway that begins
with them counts nothing twice, and one that died has lost what it had not written.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, func, select

from bot.domain.usage import Reached, Refusal, Tokens, Total, Used
from bot.store.ledger import insert_over
from bot.store.schema import refusals, runs, threads, tunnels, usage


def write(tx: Connection, run_id: str, used: Iterable[Used]) -> None:
    """Put what the run has used so far in place of what stood there."""
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
    """Put how often each (target, reason) was refused so far in place of what stood there."""
    rows = [
        {"run": run_id, "target": target, "reason": reason, "count": count}
        for (target, reason), count in counted.items()
    ]
    if rows:
        tx.execute(insert_over(tx, refusals), rows)


def write_reached(tx: Connection, run_id: str, counted: Iterable[Reached]) -> None:
    """Put where the run was led so far in place of what stood there."""
    rows = [{"run": run_id, **asdict(each)} for each in counted]
    if rows:
        tx.execute(insert_over(tx, tunnels), rows)


def of_run(tx: Connection, run_id: str) -> list[Used]:
    rows = tx.execute(select(usage).where(usage.c.run == run_id).order_by(usage.c.day, usage.c.model))
    return [
        Used(day=row.day, model=row.model, requests=row.requests, tokens=_tokens(row), cost=row.cost)
        for row in rows
    ]


def refused(tx: Connection, run_id: str) -> list[Refusal]:
    """What was refused, the most frequent first."""
    rows = tx.execute(
        select(refusals.c.target, refusals.c.reason, refusals.c.count)
        .where(refusals.c.run == run_id)
        .order_by(refusals.c.count.desc(), refusals.c.target, refusals.c.reason)
    )
    return [Refusal(target=target, reason=reason, count=count) for target, reason, count in rows]


def reached(tx: Connection, run_id: str) -> list[Reached]:
    """Where the run was led, what it took most from first."""
    rows = tx.execute(
        select(tunnels.c.target, tunnels.c.count, tunnels.c.sent, tunnels.c.received)
        .where(tunnels.c.run == run_id)
        .order_by(tunnels.c.received.desc(), tunnels.c.target)
    )
    return [Reached(**row._mapping) for row in rows]


def by_run(tx: Connection, which: ColumnElement[bool]) -> dict[str, Total]:
    """What each of these runs used, of those that used anything."""
    query = _sums(usage.c.run).where(which).group_by(usage.c.run)
    return {row.run: _as_total(row) for row in tx.execute(query)}


def of_day(tx: Connection, day: int, *, repository_url: str = "", without_run: str = "") -> Total:
    """What was used on that day, in all repositories or in one, by all runs or by all but one."""
    here = [runs.c.repository_url == repository_url] if repository_url else []
    return _total(tx, usage.c.day == day, usage.c.run != without_run, *here)


def of_day_at(tx: Connection, day: int, path: str) -> Total:
    """What was used on that day in the repository of this path, in lower case."""
    query = _sums().join(threads, runs.c.thread_key == threads.c.key)
    return _as_total(tx.execute(query.where(usage.c.day == day, func.lower(threads.c.path) == path)).one())


def ever(tx: Connection) -> tuple[int, Tokens, int]:
    """All requests, tokens and refusals that the ledger knows of."""
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
