"""`forgehand costs`, called in this process on a ledger of its own."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bot.app.cli.costs import CostQuery, costs
from bot.app.settings.budgets import BudgetSettings, RepositoryBudgetSettings, UsageLimitSettings
from bot.app.settings.sections import DataSettings
from bot.app.settings.settings import Settings
from bot.domain.errors import NotPossible
from bot.domain.lifecycle import State
from bot.domain.outcomes import Outcome
from bot.domain.usage import Tokens, Used
from bot.gateway.usage_counter import today
from bot.store import claims, leases, tasks, usage
from bot.store.ledger import open_ledger
from tests.support.rows import a_thread, a_worker, add_run, add_task, lease_of

WEEK = 7 * 86400
Say = Callable[..., str]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    budget = BudgetSettings(
        per_day=UsageLimitSettings(requests=100, usd=5.0),
        repositories={
            "acme/r7": RepositoryBudgetSettings(per_day=UsageLimitSettings(tokens=1000)),
            "acme/idle": RepositoryBudgetSettings(),
        },
    )
    settings = Settings(data=DataSettings(path=tmp_path), budget=budget)
    open_ledger(settings.store_url).close()
    return settings


@pytest.fixture
def costs_output(settings: Settings, capsys: pytest.CaptureFixture[str]) -> Say:
    """Call `costs`; return its output."""

    def called(*, as_json: bool = False, **asked: Any) -> str:
        costs(settings, CostQuery(**{"seconds": WEEK, **asked}), as_json=as_json)
        return capsys.readouterr().out

    return called


@pytest.fixture
def expensive_task(settings: Settings) -> str:
    """Add a task in acme/r7, with a killed run, and a cheaper one in acme/r1; return the id of the first."""
    ledger = open_ledger(settings.store_url)
    day = today()
    with ledger.write() as tx:
        expensive_task, cheap = add_task(tx, a_thread(repository=7)), add_task(tx)
        much = Tokens(input=1000, cache_write=200, cache_read=30, output=4)
        for task, tokens, cost, said in (
            (expensive_task, much, None, 1.5),
            (expensive_task, much, None, None),
            (cheap, Tokens(input=10, output=1), 0.25, None),
        ):
            run = add_run(tx, task)
            lease = lease_of(claims.claim(tx, a_worker(), run.id))
            leases.write(tx, lease, session="s", session_cost=said)
            leases.end(tx, lease, Outcome.LOST, State.FAILED, "")
            tasks.write(tx, task.id, state=State.QUEUED)
            usage.write(tx, run.id, [Used(day=day, model="m", requests=3, tokens=tokens, cost=cost)])
    ledger.close()
    return expensive_task.id


def lines(text: str) -> list[list[str]]:
    """Split each line into words."""
    return [line.split() for line in text.splitlines() if line.strip()]


def test_each_repository_has_a_row_the_most_expensive_first_and_there_is_a_total(
    costs_output: Say, expensive_task: str
) -> None:
    head, first, second, total, *_ = lines(costs_output())

    assert expensive_task
    assert " ".join(head) == "REPOSITORY TASKS RUNS REQUESTS IN CACHE WRITE CACHE READ OUT USD"
    assert " ".join(first) == "https://github.com/acme/r7 1 2 6 2,000 400 60 8 at least $1.50"
    assert " ".join(second) == "https://github.com/acme/r1 1 1 3 10 0 0 1 $0.25"
    assert " ".join(total) == "all 2 3 9 2,010 400 60 9 at least $1.75"


def test_each_task_of_one_repository_has_a_row(costs_output: Say, expensive_task: str) -> None:
    _, first, total, *_ = lines(costs_output(repository="acme/r7"))

    assert " ".join(first) == f"{expensive_task} Tidy the parser 1 2 6 2,000 400 60 8 at least $1.50"
    assert " ".join(total) == "all 1 2 6 2,000 400 60 8 at least $1.50"


def test_control_characters_are_removed_from_a_title(costs_output: Say, settings: Settings) -> None:
    ledger = open_ledger(settings.store_url)
    with ledger.write() as tx:
        thread = replace(a_thread(repository=7), title="\x1b]0;mine\x07\x1b[31mTidy\u202e it")
        run = add_run(tx, add_task(tx, thread))
        usage.write(tx, run.id, [Used(day=today(), model="m", requests=1)])
    ledger.close()

    _, row, *_ = lines(costs_output(repository="acme/r7"))

    assert row[:3] == [run.task, "Tidy", "it"]


def test_each_run_of_one_task_has_a_row_with_the_source_of_its_cost(
    costs_output: Say, expensive_task: str
) -> None:
    told = lines(costs_output(task=expensive_task))

    assert [" ".join(line) for line in told[1:]] == [
        "1 lost 3 1,000 200 30 4 $1.50 agent",
        "2 lost 3 1,000 200 30 4 unknown unknown",
        "all 6 2,000 400 60 8 at least $1.50",
    ]


def test_todays_budgets_are_shown_with_their_use(costs_output: Say, expensive_task: str) -> None:
    *_, today_, head, everywhere, own = lines(costs_output(repository="acme/r7"))

    assert expensive_task
    assert " ".join(today_).startswith("Today, until ")
    assert " ".join(head) == "BUDGET REQUESTS TOKENS USD"
    assert " ".join(everywhere) == "all repositories 9 of 100 2,479 $0.25 of $5.00"
    assert " ".join(own) == "acme/r7 6 2,468 of 1,000 $0.00"


def test_the_json_output_has_numbers(costs_output: Say, expensive_task: str) -> None:
    told = json.loads(costs_output(as_json=True))

    assert expensive_task
    assert told["total"] == {
        "tasks": 2, "runs": 3, "requests": 9, "in": 2010, "cache_write": 400, "cache_read": 60, "out": 9,
        "usd": 1.75, "unknown": 1,
    }  # fmt: skip
    assert [row["usd"] for row in told["rows"]] == [1.5, 0.25]
    assert told["today"][0] == {
        "budget": "all repositories", "requests": [9, 100], "tokens": [2479, None], "usd": [0.25, 5.0],
    }  # fmt: skip


def test_the_output_for_a_repository_without_use_begins_with_the_budgets_of_today(costs_output: Say) -> None:
    assert lines(costs_output(repository="acme/none"))[0][:2] == ["Today,", "until"]


def test_the_error_for_an_unknown_task_names_it(costs_output: Say) -> None:
    with pytest.raises(NotPossible, match="No task `nobody`"):
        costs_output(task="nobody")
