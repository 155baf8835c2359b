"""`forgehand costs`: the models used by agents, their costs, and the use of today's budgets.

Everything comes from the ledger, so the command works beside a running bot, or without one.
"""

import json
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import typer
from sqlalchemy import Connection

from bot.app.cli.ledger_access import existing_ledger
from bot.app.cli.output import Row, show
from bot.app.settings.budgets import budget_of
from bot.app.settings.settings import Settings
from bot.domain.task import Run
from bot.domain.usage import Known, Spent, Total
from bot.gateway.budget import UsageLimit
from bot.gateway.usage_counter import DAY, today
from bot.reports.spending import dollars
from bot.store import costs as store
from bot.store import runs, tasks, usage
from bot.store.costs import OfRun
from bot.text.units import compact, moment, parse_duration


@dataclass(frozen=True, slots=True, kw_only=True)
class CostQuery:
    """One task; or the tasks of the last `seconds` that used models, in one repository or in all."""

    seconds: int
    repository: str = ""
    task: str = ""


def parse_query(since: str, *, repository: str, task: str) -> CostQuery:
    """Build the query from the options of the command. Raises BadParameter."""
    if repository and task:
        raise typer.BadParameter("--task and --repository do not go together.")
    try:
        return CostQuery(seconds=parse_duration(since), repository=repository, task=task)
    except ValueError as error:
        raise typer.BadParameter(f"--since {error}") from None


def costs(settings: Settings, query: CostQuery, *, as_json: bool) -> None:
    """Print the tables. Raises NotPossible if there is no such task."""
    with existing_ledger(settings.ledger_place) as ledger, ledger.read() as tx:
        if query.task:
            rows, total = _of_runs(tx, query.task)
        else:
            day = int(time.time() - query.seconds) // DAY
            rows, total = _of_many(
                store.since(tx, day, repository=query.repository), tasks=bool(query.repository)
            )
        budgets = _of_today(tx, settings)
    if as_json:
        typer.echo(json.dumps({"rows": rows, "total": total, "today": budgets}, indent=2))
        return
    if rows:
        blank = dict.fromkeys(rows[0], "")
        name = next(iter(blank))
        form = _short if sys.stdout.isatty() else _formatted
        show([form(row) for row in [*rows, {**blank, **total, name: "all"}]], as_json=False)
    else:
        typer.echo("No models were used in that time.", err=True)
    if not query.task:
        typer.echo(f"\nToday, until {moment((today() + 1) * DAY)}:")
        show([_formatted_budget(row) for row in budgets], as_json=False)


def _of_many(used: Sequence[OfRun], *, tasks: bool) -> tuple[list[Row], Row]:
    """Return a row for each repository, or for each task, the most expensive first; and the total."""
    groups: dict[str, list[OfRun]] = {}
    for each in used:
        groups.setdefault(each.task if tasks else each.repository, []).append(each)
    rows = [
        {"task": name, "title": own[0].title, **_counted(own)}
        if tasks
        else {"repository": name, **_counted(own)}
        for name, own in groups.items()
    ]
    rows.sort(key=lambda row: (-row["usd"], -row["in"] - row["out"]))
    return rows, _counted(used)


def _counted(used: Sequence[OfRun]) -> Row:
    how_many = {"tasks": len({each.task for each in used}), "runs": len(used)}
    return {**how_many, **_sums(each.spent for each in used)}


def _of_runs(tx: Connection, task_id: str) -> tuple[list[Row], Row]:
    """Return a row for each run of the task, oldest first; and the total."""
    task = tasks.named(tx, task_id)
    spent = store.of_task(tx, task.id)
    return [_of_run(run, spent[run.id]) for run in runs.of_task(tx, task.id)], _sums(spent.values())


def _of_run(run: Run, spent: Spent) -> Row:
    about = {"run": run.number, "agent": run.agent, "outcome": run.outcome or run.state}
    return {**about, **_sums([spent]), "known_by": spent.known}


def _sums(spent: Iterable[Spent]) -> Row:
    """Sum up the use. `usd` is the known part of the cost; of `unknown` runs it is not known."""
    each = list(spent)
    total = sum((one.used for one in each), Total())
    return {
        "requests": total.requests,
        "in": total.tokens.input,
        "cache_write": total.tokens.cache_write,
        "cache_read": total.tokens.cache_read,
        "out": total.tokens.output,
        "usd": round(sum(one.usd for one in each), 6),
        "unknown": sum(one.known is Known.UNKNOWN for one in each),
    }


def _formatted(row: Row) -> Row:
    """Return texts for a pipe, with exact numbers."""
    texts = {name: f"{value:,}" if isinstance(value, int) else value for name, value in row.items()}
    texts["usd"] = dollars(row["usd"])
    if texts.pop("unknown") != "0":
        texts["usd"] = f"at least {texts['usd']}" if row["usd"] else "unknown"
    return texts


def _short(row: Row) -> Row:
    """Return texts for a terminal of 80 columns."""
    exact = _formatted(row)
    cached = compact(row["cache_write"] + row["cache_read"])
    counts = {name: compact(row[name]) for name in ("runs", "in", "out") if isinstance(row.get(name), int)}
    about = {name: exact[name] for name in exact if name in {"task", "title", "run", "agent", "outcome"}}
    if "repository" in row:
        about["repository"] = row["repository"].partition("://")[2] or row["repository"]
        about["tasks"] = compact(row["tasks"])
    return {
        **about,
        **({"runs": counts["runs"]} if "runs" in counts else {}),
        "requests": compact(row["requests"]),
        "in": counts["in"],
        "cached": cached,
        "out": counts["out"],
        "usd": exact["usd"].replace("at least ", "≥"),
        **({"known_by": row["known_by"]} if "known_by" in row else {}),
    }


def _of_today(tx: Connection, settings: Settings) -> list[Row]:
    """Return today's budgets: a row for all repositories, and one for each that has its own."""
    budget, day = budget_of(settings.budget), today()
    rows = [_of_day("all repositories", usage.of_day(tx, day), budget.per_day)]
    for path, share in sorted(budget.repositories.items()):
        if share.per_day != UsageLimit():
            rows.append(_of_day(path, usage.of_day_at(tx, day, path), share.per_day))
    return rows


def _of_day(owner: str, used: Total, limit: UsageLimit) -> Row:
    """Return a pair for each kind of use: the amount used, and the limit; null = no limit."""
    return {
        "budget": owner,
        "requests": [used.requests, limit.requests],
        "tokens": [used.tokens.all, limit.tokens],
        "usd": [round(used.cost, 6), limit.usd],
    }


def _formatted_budget(row: Row) -> Row:
    amounts = {name: _out_of(*row[name]) for name in ("requests", "tokens")}
    used, limit = row["usd"]
    return {**row, **amounts, "usd": dollars(used) + ("" if limit is None else f" of {dollars(limit)}")}


def _out_of(used: int, limit: int | None) -> str:
    return f"{used:,}" if limit is None else f"{used:,} of {limit:,}"
