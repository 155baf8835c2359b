"""Cost of `forgehand up` while it is idle, and while fifty agents sleep in their sandboxes.

    python -m tests.bench.idle [seconds]

The baseline is a process that imports the same libraries and sleeps. It is measured together with the bot
at the same time, so that other load on the machine affects both equally. Fifty sandboxes are
compared with none in the same process.
"""

import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import astuple, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bot.store.ledger import open_ledger
from tests.journeys.world import World, shell, world
from tests.support.playground_github import Playground
from tests.support.waiting import eventually

SANDBOXES = 50
SECONDS = 60.0
SETTLING = 15.0  # seconds until the work after a start or after the last comment is over
AT_ONCE = 300.0  # maximum seconds for the start of the fifty on a slow machine
FLOOR = (
    "import sys, time, bot.app.cli.main, bot.app.processes, bot.playground.app; print(); "
    "sys.stdout.flush(); time.sleep(1e6)"
)


@dataclass(frozen=True, slots=True)
class Cost:
    """Cost of one process: per cent of one core over the whole time; MiB and counts at its end."""

    cpu: float
    rss: float
    pss: float
    threads: int
    files: int


def cpu(pid: int) -> float:
    """Return the seconds of processor time that the process has used."""
    times = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(times[11]) + int(times[12])) / os.sysconf("SC_CLK_TCK")


def costs(pids: list[int], seconds: float) -> list[Cost]:
    """Measure each process over the same time, which begins when they have settled."""
    time.sleep(SETTLING)
    start, before = time.monotonic(), [cpu(pid) for pid in pids]
    time.sleep(seconds)
    took = time.monotonic() - start
    spent = [(cpu(pid) - was) / took * 100 for pid, was in zip(pids, before, strict=True)]
    return [Cost(share, *standing(pid)) for pid, share in zip(pids, spent, strict=True)]


def standing(pid: int) -> tuple[float, float, int, int]:
    """Return resident and proportional memory in MiB, and the number of threads and of open files."""
    process = Path(f"/proc/{pid}")
    lines = (process / "smaps_rollup").read_text().splitlines()[1:]
    kib = {line.split()[0]: int(line.split()[1]) for line in lines}
    threads, files = (len(list((process / folder).iterdir())) for folder in ("task", "fd"))
    return kib["Rss:"] / 1024, kib["Pss:"] / 1024, threads, files


@contextmanager
def sleeping() -> Iterator[int]:
    """Start the baseline process and return its pid."""
    process = subprocess.Popen([sys.executable, "-c", FLOOR], stdout=subprocess.PIPE)
    assert process.stdout
    try:
        process.stdout.readline()
        yield process.pid
    finally:
        process.kill()
        process.wait()


def fill(there: World) -> float:
    """Start all sandboxes; return the seconds that this took."""
    start = time.monotonic()
    for number in range(SANDBOXES):
        issue = there.playground.open_issue(f"Sleeper {number}")
        there.say(issue, "/run " + shell("echo asleep; exec sleep 3600"))

    def started() -> bool:
        return sum(run.agent_started for task in there.tasks() for run in there.runs(task)) == SANDBOXES

    eventually(started, seconds=AT_ONCE, every=1.0)
    took = time.monotonic() - start
    there.settled()
    return took


def main(seconds: float) -> None:
    with tempfile.TemporaryDirectory() as name, Playground(Path(name) / "forge") as playground:
        folder = Path(name)
        store_url = f"sqlite:///{folder / 'data' / 'ledger.db'}"
        ledger = open_ledger(store_url)
        with (
            world(folder, ledger=ledger, store_url=store_url, playground=playground) as there,
            sleeping() as pid,
        ):
            floor, alone = costs([pid, there.start().pid], seconds)
            there.stop()
            there.settings["limits"] = {"per_host": SANDBOXES, "per_repository": SANDBOXES}
            there.settings["sandbox"] |= {"wall_limit": "2h", "idle_limit": "2h", "memory": "64m"}
            bot = there.start().pid
            [none] = costs([bot], seconds)
            took = fill(there)
            [fifty] = costs([bot], seconds)
            assert len(there.containers()) == SANDBOXES
        ledger.close()
    show(floor, alone, none, fifty)
    Console().print(f"{SANDBOXES} sandboxes were up after {took:.0f} s.")


def show(floor: Cost, alone: Cost, none: Cost, fifty: Cost) -> None:
    table = Table(title="Idle")
    for column in ("", "% of a core", "RSS, MiB", "PSS, MiB", "threads", "files"):
        table.add_column(column, justify="right")

    def row(name: str, figures: Iterable[float]) -> None:
        table.add_row(name, *("" if math.isnan(figure) else f"{figure:.2f}" for figure in figures))

    row("floor", astuple(floor))
    row("forgehand up", astuple(alone))
    # The baseline takes no processor time, so there is no ratio.
    row("ratio", [over / under if under else math.nan for over, under in _pairs(alone, floor)])
    row(f"{SANDBOXES} places", astuple(none))
    row(f"{SANDBOXES} asleep", astuple(fifty))
    row("one more", [(over - under) / SANDBOXES for over, under in _pairs(fifty, none)])
    Console().print(table)


def _pairs(one: Cost, other: Cost) -> Iterator[tuple[float, float]]:
    return zip(astuple(one), astuple(other), strict=True)


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else SECONDS)
