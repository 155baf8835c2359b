"""What one run has used and been refused: few rows, whatever an agent makes up."""

from bot.gateway.counts import Counts
from bot.store import usage
from bot.store.ledger import Ledger
from bot.store.usage import Refusal
from tests.fill import add_run


def test_what_an_agent_makes_up_fills_no_more_than_a_hundred_kinds(sqlite_ledger: Ledger) -> None:
    with sqlite_ledger.write() as tx:
        run = add_run(tx)
    counts = Counts(run.id, [], [])

    for number in range(150):
        counts.refusal(f"evil-{number}.example:443", "not allowed")
        counts.refusal("POST /anthropic/v1/messages", f"'x-{number}' is none of [models.anthropic] models")
    with sqlite_ledger.write() as tx:
        counts.save(tx)
        rows = usage.refused(tx, run.id)

    assert rows[0] == Refusal(target="(others)", reason="of many kinds", count=200)
    assert len(rows) == 101
    assert sum(each.count for each in rows) == 300
