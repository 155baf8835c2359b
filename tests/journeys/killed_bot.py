"""`forgehand up` or `work` that kills itself at an instant a test names, and is started again at a word.

The seam is SQLAlchemy's, around the commits of the ledger: the bot knows nothing
of it. Each worker is forked from a process that has loaded the bot already, which
is most of what a start costs.

The file `die-at` in the working directory names the instant; it is gone once the worker is.
"""

import gc
import json
import os
import signal
import sys
import threading
from importlib import import_module
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, event
from sqlalchemy.pool import Pool

from bot.app import processes
from bot.app.settings.load import load

ORDER = "die-at"  # JSON: `sql`, true where it finds a row; `before` that is committed, or `later` than it
AGAIN = signal.SIGUSR1
LEASE = 2.0  # seconds; a sender's is four of these, a dead one's place is free after one
SWEEP_EVERY = 0.5  # seconds


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@event.listens_for(Engine, "commit")
def _before_commit(connection: Connection) -> None:
    try:
        order = json.loads(Path(ORDER).read_text())
    except FileNotFoundError:
        return
    cursor = connection.connection.cursor()
    cursor.execute(order["sql"])
    if cursor.fetchone():
        if order["before"]:
            _die()
        connection.info["dies"] = order["later"]


@event.listens_for(Pool, "checkin")
def _after_commit(_: object, record: Any) -> None:
    if record and "dies" in record.info:
        later = record.info.pop("dies")
        threading.Timer(later, _die).start() if later else _die()


def _die_at_the_end_of(pipe: int) -> None:
    os.read(pipe, 1)
    _die()


def _work(verb: str, config: str, guard: tuple[int, int]) -> None:
    """Be a worker until told to stop, or for as long as the process lives that started us."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {AGAIN})
    end, other = guard
    os.close(other)
    threading.Thread(target=_die_at_the_end_of, args=(end,), daemon=True).start()
    settings = load(Path(config))
    if verb == "up":
        processes.up(settings, print, sweep_every=SWEEP_EVERY, lease=LEASE)
    else:
        processes.work(settings, sweep_every=SWEEP_EVERY, lease=LEASE)


def main(verb: str, config: str) -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, {AGAIN})
    guard = os.pipe()
    for late in ("bot.forges.github.connection", "psycopg"):  # what a worker loads at its first use
        import_module(late)
    gc.freeze()
    while True:
        worker = os.fork()
        if not worker:
            _work(verb, config, guard)
            return
        _, status = os.waitpid(worker, 0)
        if not os.WIFSIGNALED(status):
            sys.exit(os.waitstatus_to_exitcode(status))
        Path(ORDER).unlink(missing_ok=True)
        signal.sigwait({AGAIN})


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[-1])
