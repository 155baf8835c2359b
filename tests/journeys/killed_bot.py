"""`forgehand up` or `work` that kills itself at an instant named by the test, and is restarted on request.

The hook is SQLAlchemy's, around the commits of the ledger; the bot has no code for it. Each worker
is forked from a process that has already imported the bot, because imports are most of the cost of
a start.

The file `die-at` in the working directory names the instant. The file is removed after the end of
the worker.
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
from bot.app.settings.settings import load

ORDER = "die-at"  # JSON: `sql`, true if it finds a row; `before` that is committed, or `later` than it
AGAIN = signal.SIGUSR1
LEASE = 2.0  # seconds; a sender's lease is four of these; a dead sender's place is free after one
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
    """Run a worker until it is stopped, or until its parent process ends."""
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
    # modules that a worker imports at their first use
    for late in ("bot.forges.github.connection", "psycopg"):
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
