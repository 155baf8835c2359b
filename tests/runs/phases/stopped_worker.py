"""A worker that is stopped as soon as its agent has begun."""

from bot.domain.task import Run
from bot.runs.runtime import Runtime
from tests.support.worker_bench import Workshop, until


def work_until_output(shop: Workshop, runtime: Runtime, run: Run) -> None:
    """Work on the run until its agent has printed something, then stop the worker."""
    with shop.busy(runtime, run) as stopping:
        until(lambda: shop.printed(run) != b"")
        stopping.set()
