"""Time until a run is taken over: after kill -9 of its worker, and after the loss of its host.

    python -m tests.bench.takeover [seconds of silence ...]

On the same host, a lock shows that a worker is dead, so the minimum is the pause between two
sweeps. The loss of another host shows only by its silence. There the minimum is the silence that
the bot waits for, minus one tenth: the time that may pass between two signs of life. The default
silence is shorter here than in production; give 300 for the duration that users see.
"""

import secrets
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bot.app.worker import SWEEP_EVERY
from bot.domain.outcomes import Outcome
from bot.store.ledger import open_ledger
from tests.journeys.forked_bot import Process
from tests.journeys.world import World, shell, world
from tests.support.playground_github import Playground
from tests.support.services import running_postgres, running_redis
from tests.support.waiting import eventually

ROUNDS = 5
SILENCES = (10.0, 30.0)  # seconds
COUNTING = """
n=0
until rm "$HOME/go" 2>/dev/null; do n=$((n + 1)); echo "line $n"; sleep 0.02; done
echo $n >lines.txt
"""
# `forgehand work --host <name>` that regards a host as unresponsive after this number of seconds. The
# composition root is called directly, because no setting changes that.
WORK = """
import pathlib, sys
from bot.app import processes
from bot.app.settings.settings import load
processes.work(load(pathlib.Path(sys.argv[-1])), host=sys.argv[-3], unresponsive_after={})
"""


def adoption(there: World, worker: Process) -> "tuple[float, Process]":
    """Kill a worker; return the seconds until its agent's log grows again, and the remaining worker."""
    issue = there.playground.open_issue("Followed")
    there.say(issue, "/run " + shell(COUNTING))
    run = there.until_running(on=issue)
    eventually(lambda: there.now(run).log_offset)
    before = len(_present(there))
    other = there.start("work")
    eventually(lambda: len(_present(there)) > before)
    there.settled()

    there.kill(worker)
    died, offset = time.monotonic(), there.now(run).log_offset
    eventually(lambda: there.now(run).log_offset > offset, every=0.01)
    took = time.monotonic() - died

    there.let_continue(run)
    _, ended = there.task_after_run(1, on=issue)
    assert (ended.outcome, ended.epoch) == (Outcome.PUSHED, 2), ended.reason
    return took, other


def _present(there: World) -> list[Path]:
    return list((there.data / "workers").iterdir())


def failover(there: World, silence: float) -> tuple[float, float]:
    """Kill a host; return the seconds until another host claims a resume, and until its agent runs."""
    issue = there.playground.open_issue("Lost")
    names = [f"{name}-{secrets.token_hex(3)}" for name in ("one", "two")]
    processes = {name: _host(there, name, silence) for name in names}
    there.say(issue, "/run " + shell("echo one > one.txt"))
    _, first = there.task_after_run(1, on=issue)
    assert first.outcome is Outcome.PUSHED, first.reason

    there.kill(processes.pop(first.host))
    died = time.monotonic()
    there.say(issue, "/resume go on " + shell("echo two > two.txt"))
    eventually(lambda: there.runs()[1:] and there.phases(there.runs()[1]), seconds=silence + 60)
    claimed = time.monotonic() - died
    there.until_running(2, on=issue)
    running = time.monotonic() - died

    _, second = there.task_after_run(2, on=issue)
    assert second.outcome is Outcome.PUSHED, second.reason
    assert second.host != first.host
    for process in processes.values():
        there.kill(process)
    return claimed, running


def _host(there: World, name: str, silence: float) -> Process:
    own = str(there.folder / name)
    program = ("-c", WORK.format(silence))
    return there.start("work", "--host", name, program=program, FORGEHAND_DATA__PATH=own)


@contextmanager
def served() -> Iterator[World]:
    """Start a receiver on PostgreSQL and Redis, without a worker."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        playground = stack.enter_context(Playground(folder / "forge"))
        store_url = stack.enter_context(running_postgres()).migrated()
        redis_url = stack.enter_context(running_redis()).url + "/0"
        ledger = open_ledger(store_url)
        stack.callback(ledger.close)
        there = world(folder, ledger=ledger, store_url=store_url, redis_url=redis_url, playground=playground)
        found = stack.enter_context(there)
        found.start("serve")
        yield found


def main(silences: list[float]) -> None:
    table = Table(title="Time until a run is continued, in seconds")
    for column in ("what", "floor", "took", "more"):
        table.add_column(column, justify="right")

    def row(what: str, floor: float, took: float) -> None:
        table.add_row(what, f"{floor:.1f}", f"{took:.1f}", f"{took - floor:+.1f}")

    with served() as there:
        worker, times = there.start("work"), []
        for _ in range(ROUNDS):
            took, worker = adoption(there, worker)
            times.append(took)
        there.kill(worker)
        row("worker dead, followed again (median)", SWEEP_EVERY, statistics.median(times))
        row(f"the slowest of {ROUNDS}", SWEEP_EVERY, max(times))
        for silence in silences:
            claimed, running = failover(there, silence)
            row(f"host dead, given up after {silence:g}: resume claimed", silence, claimed)
            row("its agent runs", silence, running)
    Console().print(table)


if __name__ == "__main__":
    main([float(given) for given in sys.argv[1:]] or list(SILENCES))
