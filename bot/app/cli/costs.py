"""`forgehand costs`: what agents used of models, and how far today's budgets are used up.

All of it is in the ledger: it works beside a running bot, or without one.
"""

import json
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import typer
from sqlalchemy import Connection

from bot.app.cli.output import Row, show
from bot.app.cli.tasks import ledger_of
from bot.app.settings.gateway import budget_of
from bot.app.settings.load import Settings
from bot.domain.task import Run
from bot.domain.usage import Known, Spent, Total
from bot.gateway.budget import UsageLimit
from bot.gateway.usage_counter import DAY, today
from bot.reports.comments import dollars
from bot.store import costs as store
from bot.store import runs, tasks, usage
from bot.store.costs import OfRun
from bot.text.units import moment, parse_duration


@dataclass(frozen=True, slots=True, kw_only=True)
class CostQuery:
    """A task; or what used models in the last so many `seconds`, in one repository or in all."""

    seconds: int
    repository: str = ""
    task: str = ""


def asked(since: str, *, repository: str, task: str) -> CostQuery:
    """Raises BadParameter."""
    if repository and task:
        raise typer.BadParameter("--task and --repository do not go together.")
    try:
        return CostQuery(seconds=parse_duration(since), repository=repository, task=task)
    except ValueError as error:
        raise typer.BadParameter(f"--since {error}") from None


def costs(settings: Settings, ask: CostQuery, *, as_json: bool) -> None:
    """Print the tables. Raises NotPossible if there is no such task."""
    with ledger_of(settings) as ledger, ledger.read() as tx:
        if ask.task:
            rows, total = _of_runs(tx, ask.task)
        else:
            day = int(time.time() - ask.seconds) // DAY
            rows, total = _of_many(
                store.since(tx, day, repository=ask.repository), tasks=bool(ask.repository)
            )
        budgets = _of_today(tx, settings)
    if as_json:
        typer.echo(json.dumps({"rows": rows, "total": total, "today": budgets}, indent=2))
        return
    if rows:
        blank = dict.fromkeys(rows[0], "")
        name = next(iter(blank))
        show([_in_words(row) for row in [*rows, {**blank, **total, name: "all"}]], as_json=False)
    else:
        typer.echo("No models were used in that time.", err=True)
    if not ask.task:
        typer.echo(f"\nToday, until {moment((today() + 1) * DAY)}:")
        show([_as_budget(row) for row in budgets], as_json=False)


def _of_many(found: Sequence[OfRun], *, tasks: bool) -> tuple[list[Row], Row]:
    """A row for each repository, or for each task; the dearest first."""
    groups: dict[str, list[OfRun]] = {}
    for each in found:
        groups.setdefault(each.task if tasks else each.repository, []).append(each)
    rows = [
        {"task": name, "title": own[0].title, **_counted(own)}
        if tasks
        else {"repository": name, **_counted(own)}
        for name, own in groups.items()
    ]
    rows.sort(key=lambda row: (-row["usd"], -row["in"] - row["out"]))
    return rows, _counted(found)


def _counted(found: Sequence[OfRun]) -> Row:
    how_many = {"tasks": len({each.task for each in found}), "runs": len(found)}
    return {**how_many, **_sums(each.spent for each in found)}


def _of_runs(tx: Connection, task_id: str) -> tuple[list[Row], Row]:
    """A row for each run of the task, oldest first."""
    spent = store.of_task(tx, tasks.get(tx, task_id).id)
    return [_of_run(run, spent[run.id]) for run in runs.of_task(tx, task_id)], _sums(spent.values())


def _of_run(run: Run, spent: Spent) -> Row:
    about = {"run": run.number, "agent": run.agent, "outcome": run.outcome or run.state}
    return {**about, **_sums([spent]), "known_by": spent.known}


def _sums(spent: Iterable[Spent]) -> Row:
    """`usd`: what is known; of so many runs the cost is `unknown`."""
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


def _in_words(row: Row) -> Row:
    words = {name: f"{value:,}" if isinstance(value, int) else value for name, value in row.items()}
    words["usd"] = dollars(row["usd"])
    if words.pop("unknown") != "0":
        words["usd"] = f"at least {words['usd']}" if row["usd"] else "unknown"
    return words


def _of_today(tx: Connection, settings: Settings) -> list[Row]:
    """A row for all repositories, and for each that has a budget of its own."""
    budget, day = budget_of(settings.budget), today()
    rows = [_of_day("all repositories", usage.of_day(tx, day), budget.per_day)]
    for path, share in sorted(budget.repositories.items()):
        if share.per_day != UsageLimit():
            rows.append(_of_day(path, usage.of_day_at(tx, day, path), share.per_day))
    return rows


def _of_day(whose: str, used: Total, limit: UsageLimit) -> Row:
    """Of each kind what is used and what there is; null = as much as one likes."""
    return {
        "budget": whose,
        "requests": [used.requests, limit.requests],
        "tokens": [used.tokens.all, limit.tokens],
        "usd": [round(used.cost, 6), limit.usd],
    }


def _as_budget(row: Row) -> Row:
    words = {name: _out_of(*row[name]) for name in ("requests", "tokens")}
    used, limit = row["usd"]
    return {**row, **words, "usd": dollars(used) + ("" if limit is None else f" of {dollars(limit)}")}


def _out_of(used: int, limit: int | None) -> str:
    return f"{used:,}" if limit is None else f"{used:,} of {limit:,}"
