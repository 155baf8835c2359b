"""Effect of 100,000 finished tasks on new ones: a full ledger compared with an empty one, on both databases.

    python -m tests.bench.scale [rounds]

Target: at most 1.2 times the empty one. The two take turns, so that other load on the machine slows
both equally.
"""

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from itertools import count
from pathlib import Path

from rich.console import Console
from rich.table import Table
from sqlalchemy import Connection

from bot.domain.lifecycle import State
from bot.domain.outcomes import Outcome
from bot.store import claims, deliveries, leases, outbox, runs, tasks, workspaces
from bot.store.deliveries import Delivery
from bot.store.ledger import Ledger, open_ledger
from tests.store.long_history import fill
from tests.support.rows import a_worker, add_run, lease_of, nobody_is_dead
from tests.support.services import running_postgres

FINISHED = 100_000
AIM = 1.2
ROUNDS = 60
WAITING = 20  # queued runs, in both ledgers
_numbers = count()


def intake(tx: Connection) -> None:
    batch = [
        Delivery(forge="github", id=f"new-{next(_numbers)}", event="ping", body=b"{}" * 500)
        for _ in range(16)
    ]
    deliveries.record(tx, batch)


def claim(tx: Connection) -> None:
    """Claim one of the twenty queued runs, and end it at once."""
    run = claims.claim_next(tx, a_worker())
    leases.end(tx, lease_of(run), Outcome.PUSHED, State.SUCCEEDED, "")


def sweep(tx: Connection) -> None:
    deliveries.due(tx, 100)
    outbox.due_threads(tx, 100)
    claims.has_claimable_run(tx, a_worker(), nobody_is_dead)
    workspaces.past_retention(tx, "h1", 100)


def newest(tx: Connection) -> None:
    tasks.newest(tx, 20)


def newest_of_a_state(tx: Connection) -> None:
    tasks.newest(tx, 20, State.QUEUED)


ASKED: dict[str, Callable[[Connection], None]] = {
    "intake": intake,
    "claim": claim,
    "sweep": sweep,
    "tasks": newest,
    "tasks --state": newest_of_a_state,
}


def timed(ledger: Ledger, ask: Callable[[Connection], None]) -> float:
    """Return the seconds without those of the commit, which depend on the disk."""
    with ledger.write() as tx:
        for _ in range(WAITING - runs.count_open(tx).get(State.QUEUED, 0)):
            add_run(tx)
    with ledger.write() as tx:
        start = time.perf_counter()
        ask(tx)
        return time.perf_counter() - start


def measure(table: Table, name: str, empty: Ledger, full: Ledger, rounds: int) -> None:
    fill(full, FINISHED)
    for what, ask in ASKED.items():
        timed(empty, ask), timed(full, ask)  # the first call fills the caches
        pairs = [(timed(empty, ask), timed(full, ask)) for _ in range(rounds)]
        least, most = (statistics.median(side) for side in zip(*pairs, strict=True))
        ratio = most / least
        verdict = "" if ratio <= AIM else f"over {AIM}"
        table.add_row(name, what, f"{least * 1e3:.2f}", f"{most * 1e3:.2f}", f"{ratio:.2f}", verdict)


def main(rounds: int) -> None:
    table = Table(title=f"After {FINISHED:,} tasks, medians of {rounds} rounds")
    for column in ("database", "what", "empty, ms", "full, ms", "ratio", ""):
        table.add_column(column, justify="right")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        postgres = stack.enter_context(running_postgres())
        urls = {
            "SQLite": [f"sqlite:///{folder / name}.db" for name in ("empty", "full")],
            "PostgreSQL": [postgres.migrated(), postgres.migrated()],
        }
        for name, (empty, full) in urls.items():
            ledgers = open_ledger(empty), open_ledger(full)
            measure(table, name, *ledgers, rounds)
            for ledger in ledgers:
                ledger.close()
    Console().print(table)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS)
