"""`forgehand show` and `forgehand open`: everything about one task, and its page."""

import json
import socket
import time
import webbrowser
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from urllib.parse import urlsplit

import typer
from sqlalchemy import Connection

from bot.app.cli.ledger_access import existing_ledger
from bot.app.cli.output import Row, say
from bot.app.cli.task_list import condition, place
from bot.app.cli.tasks import row_of
from bot.app.settings.settings import Settings
from bot.domain.errors import NotPossible
from bot.domain.lifecycle import ENDED, State
from bot.domain.outcomes import ENDINGS
from bot.domain.task import Run, Task
from bot.domain.usage import Spent
from bot.reports.command_syntax import change_reference, shell_command
from bot.reports.phrases import queue_position
from bot.reports.spending import used
from bot.store import costs, patches, runs, shared_keys, tasks, workspaces
from bot.store.data_folder import DataFolder
from bot.store.workspaces import WorkspaceRow
from bot.text.sanitize import shown
from bot.text.units import ago, duration, iso, remaining

_ANSWER = 2.0  # seconds to wait for the bot's own port
_LABEL = 12  # width of the names of facts
_MEANINGS = {  # of the commands of the shell
    "resume": "continue on the same branch",
    "approve": "push the commit that awaits approval",
    "cancel": "stop it; its files are kept",
    "diff": "what it has changed",
    "logs": "the log",
    "open": "its page in the browser",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskFacts:
    """Everything that the ledger knows about a task. `runs` are in order, oldest first."""

    task: Task
    runs: Sequence[Run]
    spent: dict[str, Spent]
    position: int  # in the queue; 0 = not queued
    workspace: WorkspaceRow | None
    has_patch: bool
    page: str  # address; "" before the bot's first start


def show(settings: Settings, task_id: str, *, as_json: bool) -> None:
    """Print the facts. Raises NotPossible if there is no such task."""
    with existing_ledger(settings.ledger_place) as ledger, ledger.read() as tx:
        facts = _facts(tx, settings, task_id)
        row = row_of(tx, facts.task, facts.runs[-1])
    if as_json:
        about: Row = {**row, "page": facts.page, "runs": [_run_row(facts, run) for run in facts.runs]}
        typer.echo(json.dumps(about, indent=2))
        return
    clean = partial(shown, secrets=settings.secrets)  # titles, requests and summaries are texts of others
    typer.echo("\n".join(_lines(facts, time.time(), clean)))


def open_page(settings: Settings, task_id: str, *, print_only: bool) -> None:
    """Print the address of the task's page, and open it. Raises NotPossible if nothing shows pages here."""
    with existing_ledger(settings.ledger_place) as ledger, ledger.read() as tx:
        facts = _facts(tx, settings, task_id)
    if not facts.page:
        raise NotPossible("No page can be shown yet. `forgehand up` or `forgehand serve` shows the pages.")
    typer.echo(facts.page)
    if print_only:
        return
    if not settings.server.public_url and not _answers(facts.page):
        raise NotPossible(f"Nothing answers at {settings.address()}. `forgehand up` shows the pages.")
    if not webbrowser.open(facts.page):
        say("no browser was found here; open the address yourself")


def _answers(address: str) -> bool:
    parts = urlsplit(address)
    try:
        socket.create_connection((parts.hostname or "", parts.port or 80), _ANSWER).close()
    except OSError:
        return False
    return True


def _facts(tx: Connection, settings: Settings, task_id: str) -> TaskFacts:
    task = tasks.named(tx, task_id)
    every = runs.of_task(tx, task.id)
    folder = DataFolder(settings.data.path.absolute())
    return TaskFacts(
        task=task,
        runs=every,
        spent=costs.of_task(tx, task.id),
        position=runs.queue_position(tx, every[-1]),
        workspace=workspaces.get(tx, task.id),
        has_patch=patches.exists(tx, task.id),
        page=shared_keys.known_task_url(tx, folder, settings.address(), task.id),
    )


def _run_row(facts: TaskFacts, run: Run) -> Row:
    spent = facts.spent[run.id]
    return {
        "run": run.number,
        "state": run.state,
        "outcome": run.outcome or "",
        "reason": run.reason,
        "agent": run.agent,
        "asked_by": run.asked_by.login,
        "request": run.request,
        "summary": run.summary,
        "exit_status": run.exit_status,
        "requests": spent.used.requests,
        "tokens": spent.used.tokens.all,
        "usd": round(spent.usd, 6),
        "created": iso(run.created_at),
        "started": iso(run.started_at) if run.started_at else "",
        "ended": iso(run.ended_at) if run.ended_at else "",
    }


def _lines(facts: TaskFacts, now: float, clean: partial[str]) -> Iterator[str]:
    task, newest = facts.task, facts.runs[-1]
    yield typer.style(f"Task {task.id}: {clean(task.thread.title).strip() or place(task.thread)}", bold=True)
    for name, value in _about(facts, now):
        if value:
            yield f"  {name:{_LABEL}}{clean(value)}"
    for run in facts.runs:
        yield ""
        yield from _of_run(facts, run, now, clean)
    yield ""
    yield typer.style("Next", bold=True)
    commands = list(_next(facts, newest))
    width = max(len(command) for command, _ in commands)
    for command, meaning in commands:
        yield f"  {command:{width}}  {meaning}"


def _about(facts: TaskFacts, now: float) -> Iterator[tuple[str, str]]:
    task = facts.task
    position = f", {queue_position(facts.position)}" if facts.position else ""
    yield "state", f"{condition(task.state, facts.runs[-1].outcome)}{position}"
    yield "thread", place(task.thread) if task.thread.forge else ""
    yield "repository", task.thread.repository_url
    yield "branch", task.branch + (f" at {task.pushed_head[:10]}" if task.pushed_head else ", not pushed")
    yield "change", f"{change_reference(task)} {task.change_url}".strip()
    yield "agent", task.agent + (f", model {task.model}" if task.model else "")
    yield "asked", f"{ago(now - task.created_at)} by {facts.runs[0].asked_by.login}"
    yield "files", _files(facts.workspace, now)
    yield "page", facts.page


def _files(workspace: WorkspaceRow | None, now: float) -> str:
    if workspace is None:
        return ""
    if workspace.removed_at is not None:
        return f"removed {ago(now - workspace.removed_at)}"
    return f"kept for {remaining(workspace.keep_until - now)}" if workspace.keep_until else "in use"


def _of_run(facts: TaskFacts, run: Run, now: float, clean: partial[str]) -> Iterator[str]:
    words = str(run.outcome or run.state).replace("_", " ")
    took = f"took {duration((run.ended_at or now) - run.started_at)}" if run.started_at else ""
    models = used(facts.spent[run.id])
    head = [words, run.phase if run.state is State.RUNNING else "", took, models, run.agent]
    yield typer.style(f"Run {run.number}: {', '.join(part for part in head if part)}", bold=True)
    for name, text in (("request", run.request), ("reason", run.reason), ("summary", run.summary)):
        first, *others = clean(text).strip().splitlines() or [""]
        if first:
            yield f"  {name:{_LABEL}}{first}"
            yield from (f"  {'':{_LABEL}}{line}".rstrip() for line in others)


def _next(facts: TaskFacts, run: Run) -> Iterator[tuple[str, str]]:
    """Yield the commands that help now, with their meanings."""
    wanted = ["/logs -f", "/cancel"] if run.state not in ENDED else []
    if run.outcome is not None and run.state in ENDED:
        ending = ENDINGS[run.outcome]
        wanted = [each for each in (ending.next, ending.also) if each and each != "/retry"]
    wanted += ["/diff"] if facts.has_patch and "/diff" not in wanted else []
    wanted += ["/logs"] if run.state in ENDED else []
    wanted += ["/open"] if facts.page else []
    for command in wanted:
        word = command.removeprefix("/").partition(" ")[0]
        if word != "diff" or facts.has_patch:
            text = command.replace(" -f", "")
            flag = " -f" if text != command else ""
            yield shell_command(text, facts.task.id) + flag, _MEANINGS[word]
