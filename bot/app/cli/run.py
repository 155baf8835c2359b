"""`forgehand run` and `resume`: put a run in line, then work on it here, or watch whoever does.

Where no worker lives on the data folder this process claims the run itself, in
the same way as a worker: should one start meanwhile, the ledger decides.
"""

import json
import logging
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial

import typer
from dramatiq import Broker
from sqlalchemy import Connection

from bot.app import actors, log, queues
from bot.app.build import build_runtime
from bot.app.cli.output import say
from bot.app.cli.tasks import row_of
from bot.app.forges import web_addresses
from bot.app.preflight import make_ready
from bot.app.settings.load import Settings
from bot.app.worker import build_jobs, defaults
from bot.commands.parser import model_name
from bot.domain.errors import NotPossible, NotUnderstood
from bot.domain.lifecycle import ENDED, ENDINGS, Outcome, Phase, State
from bot.domain.repository_url import canonical
from bot.domain.task import Run
from bot.reports.command_syntax import shell_command, with_shell_commands
from bot.reports.phrases import queue_position
from bot.runs.execute import execute
from bot.runs.runtime import Runtime
from bot.store import claims, hosts, runs
from bot.store import tasks as store
from bot.store.process_locks import has_worker
from bot.tasks import operator as verbs
from bot.tasks.enqueue import Queued
from bot.tasks.verbs import agent_named
from bot.text.units import parse_duration
from bot.web.run_log import LogFollower

_POLL = 0.3  # seconds
_INTERRUPTED, _TERMINATED = 130, 143  # exit status, as shells have it


@dataclass(frozen=True, slots=True, kw_only=True)
class RunArguments:
    """What `forgehand run` was given."""

    repository: str
    text: str
    agent: str
    model: str
    base: str
    timeout: str


def run(settings: Settings, ask: RunArguments, *, as_json: bool) -> int:
    """Open a task and see its run to the end; the exit status. Raises BotError where it cannot begin."""
    known = web_addresses(settings)
    url = canonical(ask.repository, forges=known)
    given = defaults(settings)
    if ask.timeout:
        given = replace(given, wall_limit=_seconds(ask.timeout))
    if url.startswith("file://"):
        _remark(settings, url.removeprefix("file://"), ask.base, known)

    def open_task(tx: Connection) -> Queued:
        return verbs.open_from_cli(
            tx,
            given,
            repository_url=url,
            request=ask.text,
            agent=ask.agent,
            model=model_name(ask.model) if ask.model else "",
            base=ask.base,
        )

    return _see_through(settings, open_task, as_json=as_json)


def _remark(settings: Settings, folder: str, base: str, forges: Sequence[str]) -> None:
    from bot.app.cli import working_copy  # GitPython takes its time, and only a folder needs it

    for remark in working_copy.remarks(folder, data=settings.data.path, base=base, forges=forges):
        say(remark)


def _seconds(text: str) -> int:
    try:
        return parse_duration(text)
    except ValueError as error:
        raise NotUnderstood(f"--timeout {error}.") from None


def resume(settings: Settings, task_id: str, text: str, *, agent: str, model: str, as_json: bool) -> int:
    """Add a run to a task and see it to the end; the exit status. Raises BotError where it cannot begin."""
    agent = agent_named(defaults(settings), agent) if agent else ""
    model = model_name(model) if model else ""

    def resume_task(tx: Connection) -> Queued:
        try:
            return verbs.resume_from_cli(tx, task_id, text, agent=agent, model=model)
        except NotPossible as error:  # worded for a comment
            raise NotPossible(with_shell_commands(str(error), task_id)) from None

    return _see_through(settings, resume_task, as_json=as_json)


def approve(settings: Settings, task_id: str, *, as_json: bool) -> int:
    """Push what a task holds, and see that to the end; the exit status. Raises BotError."""
    return _see_through(settings, lambda tx: verbs.approve_from_cli(tx, task_id), as_json=as_json)


def _see_through(settings: Settings, begin: Callable[[Connection], Queued], *, as_json: bool) -> int:
    log.set_up(json=False, secrets=settings.secrets)
    logging.getLogger().setLevel(logging.WARNING)  # what happens is shown in another way here
    broker = queues.connect("", settings.queue.namespace)
    with build_runtime(settings, public_url=settings.address(), nudges=queues.nudges(broker)) as runtime:
        if not has_worker(runtime.data):
            runtime = make_ready(runtime, settings.network.sets)
            with runtime.ledger.write() as tx:  # or a host that works elsewhere might take what is ours
                hosts.record_seen(
                    tx, runtime.worker.host, runtime.worker.folder, runtime.worker.unresponsive_after
                )
        with runtime.ledger.write() as tx:
            queued = begin(tx)
        if url := settings.queue.url.get_secret_value():
            queues.nudges(queues.connect(url, settings.queue.namespace)).work()
        with _reporting(runtime, broker, settings):
            status = _Watched(runtime, queued.run, settings.secrets).to_the_end()
        return status or _tell(runtime, queued.run.id, as_json=as_json)


@contextmanager
def _reporting(runtime: Runtime, broker: Broker, settings: Settings) -> Iterator[None]:
    """Say what the run has to say to its thread, during the block and at its end."""
    actors.declare(broker, runtime, build_jobs(runtime, settings), threading.Event())
    talk = queues.start_forge_consumer(broker)
    try:
        yield
    finally:
        talk.stop()


@dataclass(slots=True)
class _Watched:
    """One run, watched to its end, and worked on where nobody else would."""

    runtime: Runtime
    run: Run
    secrets: list[str]
    _stopping: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None
    _said: list[str] = field(default_factory=list)
    _log: LogFollower = field(init=False)

    def __post_init__(self) -> None:
        agent = self.runtime.agents.get(self.run.agent)
        parser = agent.output_parser() if agent else None
        self._log = LogFollower(self.runtime.ledger, self.run.id, self.secrets, parser)

    def to_the_end(self) -> int:
        """0 once the run has ended; the exit status of one who stopped watching before."""
        before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(_TERMINATED))
        try:
            self._watch()
        except KeyboardInterrupt:
            if self._thread is None:
                say(f"{self.run.task} goes on. To stop it: {shell_command('/cancel', self.run.task)}")
                return _INTERRUPTED
            self._cancel()
            self._watch()
        finally:
            signal.signal(signal.SIGTERM, before)
            self._stopping.set()  # whoever works next goes on where it stands
            if self._thread:
                self._thread.join()
        return 0

    def _watch(self) -> None:
        pause = threading.Event()
        while True:
            if self._thread is None and self.run.state is State.QUEUED:
                self._claim()
            alone = self._thread is None or not self._thread.is_alive()
            with self.runtime.ledger.read() as tx:
                self.run = runs.get(tx, self.run.id)
                position = runs.queue_position(tx, self.run)
                begun = [phase for phase, _, _ in runs.phase_times(tx, self.run.id)]
            self._show(position, begun)
            if self.run.state in ENDED:
                return
            if alone and self.run.state is State.RUNNING and not has_worker(self.runtime.data):
                raise NotPossible(
                    f"Nobody works on {self.run.task} any more. `forgehand up` goes on with it."
                )
            pause.wait(_POLL)

    def _claim(self) -> None:
        if has_worker(self.runtime.data):
            return
        with self.runtime.ledger.write() as tx:
            claimed = claims.claim(tx, self.runtime.worker, self.run.id)
        if claimed:
            work = partial(execute, self.runtime, claimed, self._stopping)
            self._thread = threading.Thread(target=work, name="run")
            self._thread.start()

    def _cancel(self) -> None:
        say(f"cancelling {self.run.task}; once more leaves it as it is")
        with suppress(NotPossible), self.runtime.ledger.write() as tx:
            verbs.cancel_from_cli(tx, self.run.task)

    def _show(self, position: int, begun: Sequence[Phase]) -> None:
        """What is new since the last look: a phase may have come and gone between two of them."""
        for words in [f"waits, {queue_position(position)}"] if position else [str(phase) for phase in begun]:
            if words not in self._said:
                self._said.append(words)
                say(f"{self.run.task}: {words}")
        for line in self._log.lines(last=self.run.state in ENDED):
            typer.echo(f"  {line}", err=True)


def _tell(runtime: Runtime, run_id: str, *, as_json: bool) -> int:
    """The branch to stdout, or all there is to know as JSON; what went wrong, and how to go on, to stderr."""
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
    say(f"to go on: {shell_command(ending.next, task.id)}")
    return 1
