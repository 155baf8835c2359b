"""Commands that read the ledger, or change a row of it: they work beside a running bot, or without one.

Functions import other parts when they need them: these commands spend most of
their time on imports.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import typer
from sqlalchemy import Connection

from bot.app.cli.ledger_access import existing_ledger
from bot.app.cli.output import Row, say
from bot.domain.errors import NotPossible
from bot.domain.lifecycle import ENDED, State
from bot.domain.task import Run, Task
from bot.reports.command_syntax import reference, shell_command
from bot.store import runs
from bot.store import tasks as store
from bot.text.units import iso

if TYPE_CHECKING:
    from bot.agents.agent import OutputParser
    from bot.app.settings.settings import Settings

_POLL = 0.3  # seconds


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


def cancel(config: Path | None, task_id: str) -> str:
    """Cancel a task; return a sentence on the consequences. Raises NotPossible, or NoLedger."""
    from bot.app.settings.source import ledger_place
    from bot.tasks import operator as verbs

    with existing_ledger(ledger_place(config)) as ledger, ledger.write() as tx:
        task = verbs.cancel_from_cli(tx, task_id)
    if task.state is State.CANCELLED:
        return f"Task {task.id} is cancelled. It had not started."
    resume = shell_command("/resume", task.id)
    return f"Task {task.id} is stopping. Its workspace is kept. To continue: `{resume}`."


def logs(settings: "Settings", task_id: str, *, number: int = 0, follow: bool, raw: bool) -> None:
    """Print the cleaned log of a run, of the newest if `number` is 0, for people or `raw`.

    With `follow`, print until the run ends. Raises NotPossible if there is no such task or run.
    """
    import sys
    import threading

    from bot.web.run_log import LogFollower

    with existing_ledger(settings.ledger_place) as ledger:
        with ledger.read() as tx:
            run = _run(tx, store.named(tx, task_id), number)
        parser = None if raw else _output_parser(settings, run.agent)
        log = LogFollower(ledger, run.id, settings.secrets, parser)
        pause, is_empty = threading.Event(), True
        while True:
            with ledger.read() as tx:
                ended = runs.get(tx, run.id).state in ENDED
            for line in log.lines(last=ended or not follow):
                typer.echo(line)
                is_empty = False
            sys.stdout.flush()
            if ended or not follow:
                break
            pause.wait(_POLL)
    if is_empty:
        say(f"run {run.number} of task {run.task} has no output" + ("" if ended else " yet"))


def _run(tx: Connection, task: Task, number: int) -> Run:
    if not number:
        return runs.newest(tx, task.id)
    run = runs.find(tx, f"{task.id}-{number}")
    if run is None:
        last = runs.newest(tx, task.id).number
        there = "only run 1" if last == 1 else f"runs 1 to {last}"
        raise NotPossible(f"Task `{task.id}` has no run {number}: it has {there}.")
    return run


def _output_parser(settings: "Settings", name: str) -> "OutputParser | None":
    """Return None for an agent that is not in the settings any more: every line is shown then."""
    agent = settings.agents.get(name)
    return None if agent is None else agent.build().output_parser()
