"""Stateful tests of the ledger: Hypothesis invents sequences of steps, each on empty tables."""

from typing import ClassVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test
from sqlalchemy import delete, event

from bot.store.ledger import Ledger, open_ledger
from bot.store.schema import metadata

WHICH = st.integers(0, 11)  # an index, modulo the number of choices


class Week(RuleBasedStateMachine):
    ledger: ClassVar[Ledger]

    def __init__(self) -> None:
        super().__init__()
        with self.ledger.write() as tx:
            for table in reversed(metadata.sorted_tables):
                tx.execute(delete(table))


def run_sequences(week: type[Week], url: str, *, weeks: int) -> None:
    """Run many sequences of 60 steps on this ledger."""
    week.ledger = open_ledger(url)
    if url.startswith("sqlite"):
        # The machine does not crash in this test, and most of the time would be disk access.
        week.ledger.close()
        event.listen(week.ledger.engine, "connect", lambda dbapi, _: dbapi.execute("PRAGMA synchronous=OFF"))
    try:
        run_state_machine_as_test(
            week,
            settings=settings(
                max_examples=weeks,
                stateful_step_count=60,
                deadline=None,
                suppress_health_check=list(HealthCheck),
            ),
        )
    finally:
        week.ledger.close()
