"""The usage, tunnels and refusals of one run: few rows, even if an agent invents names."""

from bot.domain.usage import Reached, Refusal
from bot.gateway.usage_counter import UsageCounter
from bot.store import usage
from bot.store.ledger import Ledger
from tests.support.rows import add_run


def test_names_that_an_agent_invents_fill_a_limited_number_of_rows(sqlite_ledger: Ledger) -> None:
    with sqlite_ledger.write() as tx:
        run = add_run(tx)
    counts = UsageCounter(run.id)

    for number in range(150):
        counts.add_refusal(f"evil-{number}.example:443", "not allowed")
        counts.add_tunnel(f"d{number}.cdn.example:443", 1, 10)
        counts.add_refusal(
            "POST /anthropic/v1/messages", f"'x-{number}' is none of [models.anthropic] models"
        )
    with sqlite_ledger.write() as tx:
        counts.save(tx)
        rows, reached = usage.refused(tx, run.id), usage.reached(tx, run.id)

    assert rows[0] == Refusal(target="(others)", reason="of many kinds", count=200)
    assert len(rows) == 101
    assert sum(each.count for each in rows) == 300
    assert reached[0] == Reached(target="(others)", count=50, sent=50, received=500)
    assert len(reached) == 101


def test_a_worker_that_takes_over_continues_the_totals(sqlite_ledger: Ledger) -> None:
    with sqlite_ledger.write() as tx:
        run = add_run(tx)
        first = UsageCounter(run.id)
        first.add_tunnel("pip.test:443", 1, 2)
        first.save(tx)
        first.save(tx)

        second = UsageCounter(run.id, reached=usage.reached(tx, run.id))
        second.add_tunnel("pip.test:443", 3, 4)
        second.save(tx)

        assert usage.reached(tx, run.id) == [Reached(target="pip.test:443", count=2, sent=4, received=6)]
