"""Processor time of `forgehand tasks` in a ledger with 1,000 tasks, compared with an idle Python process.

    python -m tests.bench.tasks [rounds]

The two take turns in one run, and the difference is calculated for each pair, so that other load on
the machine affects both equally. `--json`, and a ledger in PostgreSQL, take as long as SQLAlchemy does.
"""

import os
import statistics
import sys
import tempfile
from pathlib import Path

from rich.console import Console

from bot.store.ledger import open_ledger
from tests.bench.help import NOTHING, processor_time
from tests.support.rows import a_thread, add_run, add_task

AIM = 0.3  # seconds of processor time
ROUNDS = 15
TASKS = 1000
COMMANDS: dict[str, tuple[str, ...]] = {"tasks": (sys.executable, "-m", "bot", "tasks")}
COMMANDS["tasks --json"] = (*COMMANDS["tasks"], "--json")


def main(rounds: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        os.environ["FORGEHAND_DATA__PATH"] = folder
        _fill(Path(folder))
        console = Console(highlight=False, soft_wrap=True)
        most = 0.0
        for name, command in COMMANDS.items():
            processor_time(command)  # compiles the modules first
            pairs = [(processor_time(NOTHING), processor_time(command)) for _ in range(rounds)]
            nothing, whole = (statistics.median(side) for side in zip(*pairs, strict=True))
            console.print(
                f"python -c pass {nothing:.3f} s, forgehand {name} {whole:.3f} s: "
                f"{whole / nothing:.1f} times as much; medians of {rounds} pairs"
            )
            most = most or whole
        console.print(f"aim for `tasks`: at most {AIM} s")
    sys.exit(most > AIM)


def _fill(folder: Path) -> None:
    ledger = open_ledger(f"sqlite:///{folder / 'ledger.sqlite3'}")
    with ledger.write() as tx:
        for _ in range(TASKS):
            add_run(tx, add_task(tx, a_thread()))
    ledger.close()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS)
