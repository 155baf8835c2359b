"""What `forgehand up` costs while it has nothing to do, and while fifty agents sleep in their sandboxes.

    python -m tests.bench.idle [seconds]

The floor is a process that imports the same libraries and sleeps: it stands beside the bot for as
long, so that a busy machine troubles both alike. Fifty sandboxes are compared with none of the same run.
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
from tests.journeys.world import World, eventually, shell, world
from tests.support.playground_github import Playground

SANDBOXES = 50
SECONDS = 60.0
SETTLING = 15.0  # seconds until what a start or the last comment set going has come to rest
AT_ONCE = 300.0  # seconds the fifty may take to start on a slow machine
FLOOR = (
    "import sys, time, bot.app.cli.main, bot.app.processes, bot.playground.app; print(); "
    "sys.stdout.flush(); time.sleep(1e6)"
)


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one process: per cent of one core over the whole time, MiB, and counts, at its end."""

    cpu: float
    rss: float
    pss: float
    threads: int
    files: int


def cpu(pid: int) -> float:
    """Seconds of processor the process has had."""
    times = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(times[11]) + int(times[12])) / os.sysconf("SC_CLK_TCK")


def costs(pids: list[int], seconds: float) -> list[Cost]:
    """What each costs over the same time, which begins once they have settled."""
    time.sleep(SETTLING)
    start, before = time.monotonic(), [cpu(pid) for pid in pids]
    time.sleep(seconds)
    took = time.monotonic() - start
    spent = [(cpu(pid) - was) / took * 100 for pid, was in zip(pids, before, strict=True)]
    return [Cost(share, *standing(pid)) for pid, share in zip(pids, spent, strict=True)]


def standing(pid: int) -> tuple[float, float, int, int]:
    """Resident and proportional memory in MiB, threads, open files."""
    process = Path(f"/proc/{pid}")
    lines = (process / "smaps_rollup").read_text().splitlines()[1:]
    kib = {line.split()[0]: int(line.split()[1]) for line in lines}
    threads, files = (len(list((process / folder).iterdir())) for folder in ("task", "fd"))
    return kib["Rss:"] / 1024, kib["Pss:"] / 1024, threads, files


@contextmanager
def sleeping() -> Iterator[int]:
    """The floor; its pid."""
    process = subprocess.Popen([sys.executable, "-c", FLOOR], stdout=subprocess.PIPE)
    assert process.stdout
    try:
        process.stdout.readline()
        yield process.pid
    finally:
        process.kill()
        process.wait()


def fill(there: World) -> float:
    """Have all sandboxes started; the seconds that took."""
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
    # The floor takes no processor time: there is no ratio to that.
    row("ratio", [over / under if under else math.nan for over, under in _pairs(alone, floor)])
    row(f"{SANDBOXES} places", astuple(none))
    row(f"{SANDBOXES} asleep", astuple(fifty))
    row("one more", [(over - under) / SANDBOXES for over, under in _pairs(fifty, none)])
    Console().print(table)


def _pairs(one: Cost, other: Cost) -> Iterator[tuple[float, float]]:
    return zip(astuple(one), astuple(other), strict=True)


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else SECONDS)
