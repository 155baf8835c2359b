"""`forgehand run`, `resume` and `approve`: queue a run, watch it to its end, and print its result."""

import json
import logging
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import click
import typer
from dramatiq import Broker
from sqlalchemy import Connection

from bot.app import actors, log, queues
from bot.app.build import build_runtime
from bot.app.cli.output import say
from bot.app.cli.tasks import row_of
from bot.app.cli.watched_run import WatchedRun
from bot.app.command_defaults import defaults
from bot.app.configured_forges import web_addresses
from bot.app.preflight import make_ready
from bot.app.settings.settings import Settings
from bot.app.worker import build_jobs
from bot.commands.options import model_name
from bot.domain.errors import NotPossible, NotUnderstood
from bot.domain.lifecycle import State
from bot.domain.outcomes import ENDINGS, Outcome
from bot.domain.repository_url import canonical
from bot.reports.command_syntax import shell_command, with_shell_commands
from bot.runs.runtime import Runtime
from bot.store import hosts, runs
from bot.store import tasks as store
from bot.store.process_locks import has_worker
from bot.tasks import operator as verbs
from bot.tasks.enqueue import Queued
from bot.tasks.verbs import agent_named
from bot.text.units import brief_limit, parse_duration


@dataclass(frozen=True, slots=True, kw_only=True)
class RunArguments:
    """The arguments of `forgehand run`."""

    repository: str
    text: str
    agent: str
    model: str
    base: str
    timeout: str


def run(settings: Settings, arguments: RunArguments, *, as_json: bool) -> int:
    """Open a task, watch its run to the end, and return the exit status.

    Raises BotError if it cannot start.
    """
    text = _instructions(arguments.text)
    forges = web_addresses(settings)
    url = canonical(arguments.repository, forges=forges)
    command_defaults = defaults(settings)
    if arguments.timeout:
        limit = _seconds(arguments.timeout, most=command_defaults.wall_limit)
        command_defaults = replace(command_defaults, wall_limit=limit)
    if url.startswith("file://"):
        _remark(settings, url.removeprefix("file://"), arguments.base, forges)

    def open_task(tx: Connection) -> Queued:
        return verbs.open_from_cli(
            tx,
            command_defaults,
            repository_url=url,
            request=text,
            agent=arguments.agent,
            model=model_name(arguments.model) if arguments.model else "",
            base=arguments.base,
        )

    return _queue_and_watch(settings, open_task, as_json=as_json)


def _remark(settings: Settings, folder: str, base: str, forges: Sequence[str]) -> None:
    from bot.app.cli import working_copy  # GitPython is slow to import, and only a folder needs it

    for remark in working_copy.remarks(folder, data=settings.data.path, base=base, forges=forges):
        say(remark)


def _instructions(text: str) -> str:
    """Return the instructions: `text`, for `-` those on standard input, for "" those from an editor.

    Raises NotUnderstood if there are none.
    """
    if text == "-":
        text = sys.stdin.read()
    elif not text and sys.stdin.isatty():
        text = click.edit() or ""  # the editor of $VISUAL or $EDITOR
    if not text.strip():
        raise NotUnderstood(
            'There are no instructions for the agent. Write them behind the repository, such as "tidy the '
            'parser", or "-" to read them from standard input.'
        )
    return text


def _seconds(text: str, *, most: int) -> int:
    try:
        seconds = parse_duration(text)
    except ValueError as error:
        raise NotUnderstood(f"--timeout {error}.") from None
    if seconds > most:
        raise NotUnderstood(f"--timeout is at most {brief_limit(most)} here: see [sandbox] wall_limit.")
    return seconds


def resume(settings: Settings, task_id: str, text: str, *, agent: str, model: str, as_json: bool) -> int:
    """Add a run to a task, watch it to the end, and return the exit status.

    Raises BotError if it cannot start.
    """
    agent = agent_named(defaults(settings), agent) if agent else ""
    model = model_name(model) if model else ""

    def resume_task(tx: Connection) -> Queued:
        try:
            return verbs.resume_from_cli(tx, task_id, text, agent=agent, model=model)
        except NotPossible as error:  # its text is that of a comment
            raise NotPossible(with_shell_commands(str(error), task_id)) from None

    return _queue_and_watch(settings, resume_task, as_json=as_json)


def approve(settings: Settings, task_id: str, *, as_json: bool) -> int:
    """Push the commit that awaits approval, and return the exit status. Raises BotError."""
    return _queue_and_watch(settings, lambda tx: verbs.approve_from_cli(tx, task_id), as_json=as_json)


def _queue_and_watch(settings: Settings, queue: Callable[[Connection], Queued], *, as_json: bool) -> int:
    log.set_up(json=False, secrets=settings.secrets)
    logging.getLogger().setLevel(logging.WARNING)  # progress is shown without the log
    broker = queues.connect("", settings.queue.namespace)
    with build_runtime(settings, public_url=settings.address(), nudges=queues.nudges(broker)) as runtime:
        if not has_worker(runtime.data):
            runtime = make_ready(runtime, settings.network.sets)
            with runtime.ledger.write() as tx:  # so that no other host takes our tasks over
                hosts.record_seen(
                    tx, runtime.worker.host, runtime.worker.folder, runtime.worker.unresponsive_after
                )
        with runtime.ledger.write() as tx:
            queued = queue(tx)
        if url := settings.queue.url.get_secret_value():
            queues.nudges(queues.connect(url, settings.queue.namespace)).work()
        with _reporting(runtime, broker, settings):
            status = WatchedRun(runtime, queued.run, settings.secrets).to_the_end()
        return status or _print_result(runtime, queued.run.id, as_json=as_json)


@contextmanager
def _reporting(runtime: Runtime, broker: Broker, settings: Settings) -> Iterator[None]:
    """Send the reports of the run to its thread, during the block and when it exits."""
    actors.declare(broker, runtime, build_jobs(runtime, settings), threading.Event())
    consumer = queues.start_forge_consumer(broker)
    try:
        yield
    finally:
        consumer.stop()


def _print_result(runtime: Runtime, run_id: str, *, as_json: bool) -> int:
    """Print the branch or the JSON to stdout, and the reason of a failure with the next command to stderr.

    Return the exit status.
    """
    with runtime.ledger.read() as tx:
        ended = runs.get(tx, run_id)
        task = store.get(tx, ended.task)
        row = row_of(tx, task, ended)
    if as_json:
        typer.echo(json.dumps(row, indent=2))
    elif ended.outcome is Outcome.PUSHED:
        typer.echo(task.branch)
    if ended.outcome is None:
        raise NotPossible(f"Run {run_id} ended without an outcome.")
    ending = ENDINGS[ended.outcome]
    if ended.outcome is not Outcome.PUSHED:
        say(f"{ending.sentence} {ended.reason}".strip())
    if ending.state is State.SUCCEEDED:
        return 0
    say(f"to continue: {shell_command(ending.next, task.id)}")
    return 1
