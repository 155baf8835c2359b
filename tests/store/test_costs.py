"""Costs of runs and their sources. The totals of sessions are those that Claude Code 2.1.330 reported."""

import pytest
from sqlalchemy import Connection

from bot.domain.lifecycle import State
from bot.domain.outcomes import Outcome
from bot.domain.task import Task
from bot.domain.usage import Known, Tokens, Used
from bot.store import claims, costs, leases, tasks, usage
from bot.store.ledger import Ledger
from tests.support.rows import a_thread, a_worker, add_run, add_task, lease_of

SESSION = "00000000-0000-4000-8000-000000000001"
ONCE = Tokens(input=100, output=20)  # of one answer, which cost it 0.0008 US dollars


def add_ended_run(
    tx: Connection, task: Task, said: float | None, *, asked: int, price: float | None = None, day: int = 100
) -> str:
    """Add a run of a session with this many requests and this total of its agent; return its id.

    `price` is US dollars for each response, None if the operator has set none.
    """
    run = add_run(tx, task)
    tasks.write(tx, task.id, state=State.QUEUED)
    lease = lease_of(claims.claim(tx, a_worker(), run.id))
    leases.write(
        tx, lease, session=SESSION, session_from=SESSION if run.number > 1 else "", session_cost=said
    )
    leases.end(tx, lease, Outcome.PUSHED, State.SUCCEEDED, "")
    used = Used(day=day, model="m", requests=asked, tokens=sum([ONCE] * asked, Tokens()))
    if asked:
        cost = None if price is None else asked * price
        usage.write(tx, run.id, [Used(day=day, model="m", requests=asked, tokens=used.tokens, cost=cost)])
    return run.id


def costs_of(tx: Connection, task: Task) -> list[tuple[float, Known]]:
    return [(round(each.usd, 6), each.known) for each in costs.of_task(tx, task.id).values()]


def test_the_cost_without_prices_is_the_increase_of_the_total_of_the_session(
    ledger: Ledger,
) -> None:
    with ledger.write() as tx:
        task = add_task(tx)
        for said, asked in ((0.0016, 2), (0.0024, 1), (0.0024, 0)):
            add_ended_run(tx, task, said, asked=asked)

        assert costs_of(tx, task) == [(0.0016, Known.AGENT), (0.0008, Known.AGENT), (0.0, Known.AGENT)]


def test_the_cost_with_prices_comes_from_the_gateways_tokens_and_not_from_the_agents_total(
    ledger: Ledger,
) -> None:
    with ledger.write() as tx:
        task = add_task(tx)
        add_ended_run(tx, task, 0.0016, asked=2, price=0.001)
        add_ended_run(tx, task, None, asked=1, price=0.001)

        assert costs_of(tx, task) == [(0.002, Known.PRICES), (0.001, Known.PRICES)]


def test_a_killed_run_has_its_tokens_and_an_unknown_cost_and_does_not_change_later_costs(
    ledger: Ledger,
) -> None:
    with ledger.write() as tx:
        task = add_task(tx)
        for said, asked in ((0.0024, 3), (None, 2), (0.004, 2), (0.0048, 1)):
            add_ended_run(tx, task, said, asked=asked)

        killed = list(costs.of_task(tx, task.id).values())[1]
        assert (killed.used.requests, killed.used.tokens.all) == (2, 240)
        assert costs_of(tx, task) == [
            (0.0024, Known.AGENT),
            (0.0, Known.UNKNOWN),
            (0.0016, Known.AGENT),
            (0.0008, Known.AGENT),
        ]


def test_the_cost_of_a_stopped_run_is_part_of_the_cost_of_the_next_run(ledger: Ledger) -> None:
    with ledger.write() as tx:
        task = add_task(tx)
        for said, asked in ((0.0016, 2), (None, 2), (0.0048, 2)):
            add_ended_run(tx, task, said, asked=asked)

        assert costs_of(tx, task) == [(0.0016, Known.AGENT), (0.0, Known.UNKNOWN), (0.0032, Known.AGENT)]


def test_the_cost_of_a_stopped_run_with_a_price_counts_only_once(ledger: Ledger) -> None:
    with ledger.write() as tx:
        task = add_task(tx)
        add_ended_run(tx, task, 0.0016, asked=2)
        add_ended_run(tx, task, None, asked=2, price=0.0008)
        add_ended_run(tx, task, 0.0048, asked=2)
        add_ended_run(tx, task, 0.0056, asked=1)

        assert costs_of(tx, task) == [
            (0.0016, Known.AGENT),
            (0.0016, Known.PRICES),
            (0.0016, Known.AGENT),
            (0.0008, Known.AGENT),
        ]


def test_a_total_below_the_previous_one_counts_from_zero(ledger: Ledger) -> None:
    with ledger.write() as tx:
        task = add_task(tx)
        for said in (0.5, 0.25, 0.75):
            add_ended_run(tx, task, said, asked=1)

        assert [usd for usd, _ in costs_of(tx, task)] == [0.5, 0.25, 0.5]


def test_a_run_without_model_requests_costs_nothing(ledger: Ledger) -> None:
    with ledger.write() as tx:
        task = add_task(tx)
        add_ended_run(tx, task, None, asked=0)

        assert costs_of(tx, task) == [(0.0, Known.PRICES)]


@pytest.mark.parametrize("which", ["acme/r7", "ACME/R7", "https://github.com/acme/r7"])
def test_the_costs_since_a_day_have_all_runs_of_each_task_with_use_since_then(
    ledger: Ledger, which: str
) -> None:
    with ledger.write() as tx:
        lately, here, long_ago = add_task(tx), add_task(tx, a_thread(repository=7)), add_task(tx)
        add_ended_run(tx, long_ago, 0.1, asked=1, day=99)
        add_ended_run(tx, lately, 0.25, asked=1, day=99)
        add_ended_run(tx, lately, 0.75, asked=1, day=100)
        add_ended_run(tx, here, 1.0, asked=1, day=100)

        found = [(each.task, each.spent.usd) for each in costs.since(tx, 100)]
        assert sorted(found) == sorted([(lately.id, 0.25), (lately.id, 0.5), (here.id, 1.0)])
        assert [each.task for each in costs.since(tx, 100, repository=which)] == [here.id]
