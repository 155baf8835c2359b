"""Commands that read the ledger, or change a row of it: they work beside a running bot, or without one.

Functions import other parts when they need them: these commands spend most of
their time on imports.
"""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import typer
from sqlalchemy import Connection

from bot.agents.agent import OutputParser
from bot.app.cli.output import Row, show
from bot.app.settings.settings import Settings
from bot.domain.lifecycle import ENDED, State
from bot.domain.task import Run, Task
from bot.reports.command_syntax import reference, shell_command
from bot.store import data_folder, runs
from bot.store import tasks as store
from bot.store.ledger import Ledger, open_ledger
from bot.text.units import iso
from bot.web.run_log import LogFollower

_POLL = 0.3  # seconds


def tasks(settings: Settings, limit: int, *, as_json: bool) -> None:
    with ledger_of(settings) as ledger, ledger.read() as tx:
        rows = [row_of(tx, task, runs.newest(tx, task.id)) for task in store.newest(tx, limit)]
    if not as_json:
        rows = [_brief(row) for row in rows]
    show(rows, as_json=as_json)


def row_of(tx: Connection, task: Task, run: Run) -> Row:
    """Return a task and its newest run for scripts. Times are ISO 8601 in UTC; "" and null: none (yet)."""
    return {
        "task": task.id,
        "state": task.state,
        "repository": task.thread.repository_url,
        "thread": f"{task.thread.path}{reference(task.thread)}" if task.thread.forge else "",
        "title": task.thread.title,
        "branch": task.branch,
        "pushed": task.pushed_head,
        "change": task.change_url,
        "agent": task.agent,
        "asked_by": run.asked_by.login,
        "run": run.number,
        "phase": run.phase,
        "outcome": run.outcome or "",
        "reason": run.reason,
        "summary": run.summary,
        "unexported": run.unexported,
        "exit_status": run.exit_status,
        "position": runs.queue_position(tx, run),
        "created": iso(task.created_at),
        "started": iso(run.started_at) if run.started_at else "",
        "ended": iso(run.ended_at) if run.ended_at else "",
    }


def cancel(settings: Settings, task_id: str) -> str:
    """Cancel a task; return a sentence on the consequences. Raises NotPossible."""
    from bot.tasks import operator as verbs

    with ledger_of(settings) as ledger, ledger.write() as tx:
        task = verbs.cancel_from_cli(tx, task_id)
    if task.state is State.CANCELLED:
        return f"Task {task.id} is cancelled. It had not started."
    resume = shell_command("/resume", task.id)
    return f"Task {task.id} is stopping. Its workspace is kept. To continue: `{resume}`."


def logs(settings: Settings, task_id: str, *, follow: bool, raw: bool) -> None:
    """Print the cleaned log of the newest run, for people or `raw`; with `follow`, until the run ends."""
    with ledger_of(settings) as ledger:
        with ledger.read() as tx:
            run = runs.newest(tx, store.get(tx, task_id).id)
        parser = None if raw else _output_parser(settings, run.agent)
        log = LogFollower(ledger, run.id, settings.secrets, parser)
        pause = threading.Event()
        while True:
            with ledger.read() as tx:
                ended = runs.get(tx, run.id).state in ENDED
            for line in log.lines(last=ended or not follow):
                typer.echo(line)
            sys.stdout.flush()
            if ended or not follow:
                return
            pause.wait(_POLL)


def _output_parser(settings: Settings, name: str) -> OutputParser | None:
    """Return None for an agent that is not in the settings any more: every line is shown then."""
    agent = settings.agents.get(name)
    return None if agent is None else agent.build().output_parser()


def _brief(row: Row) -> Row:
    return {name: row[name] for name in ("task", "state", "run", "outcome", "repository", "title", "created")}


@contextmanager
def ledger_of(settings: Settings) -> Iterator[Ledger]:
    """Open the bot's ledger for the block; create it if there is none yet."""
    data_folder.create(settings.data.path)
    ledger = open_ledger(settings.store_url)
    try:
        yield ledger
    finally:
        ledger.close()
