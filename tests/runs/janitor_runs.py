"""One run of the janitor, the ends of the times for which it waits, and the folders that it leaves."""

from sqlalchemy import update

from bot.domain.task import Run
from bot.runs.janitor import Janitor
from bot.store import schema, workspaces
from bot.store.ledger import clock
from tests.support.cli_sandbox import LONG
from tests.support.worker_bench import Workshop


def end_retention(shop: Workshop, run: Run, *, since: float = 1.0) -> None:
    """Set the end of the retention of the run's workspace to this number of seconds ago."""
    with shop.runtime.ledger.write() as tx:
        workspaces.retain(tx, run.task, clock(tx) - since)


def end_pause(shop: Workshop) -> None:
    """End the pause after a failed removal."""
    with shop.runtime.ledger.write() as tx:
        tx.execute(update(schema.removals).values(due_at=0))


def run_janitor(shop: Workshop) -> None:
    """Run the janitor of another process of the bot once."""
    janitor = Janitor(shop.runtime)
    janitor.once()
    assert janitor.wait(LONG)


def folders(shop: Workshop) -> set[str]:
    return set(shop.runtime.workspaces().folders())
