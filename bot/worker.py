"""Composition root of what works: from settings to a House, and to actors and sweeps that live in it."""

import os
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import dramatiq

from bot import actors, host, queue, report, run, triggers
from bot.actors import Jobs
from bot.agents.agent import Agent
from bot.agents.table import KINDS
from bot.answer import Answer
from bot.checks import fit
from bot.forges.forge import Forge
from bot.forges.github import GitHub
from bot.forges.gitlab import GitLab
from bot.gateway import sections as outside
from bot.gateway.gateway import Gateway
from bot.house import Allowance, House
from bot.janitor import Janitor
from bot.missed import Missed
from bot.model import Identity, State
from bot.presence import alive, at_work, is_dead, once
from bot.queue import Nudges
from bot.sandbox.container import Engine, Limits
from bot.sections import Ceilings, Labels, Sandbox
from bot.settings import Settings
from bot.store.hosts import SILENT_AFTER
from bot.store.leases import LEASE, Worker
from bot.store.ledger import Ledger, open_ledger
from bot.sweep import Sweep, keep_sweeping
from bot.tasks import Defaults
from handlers import router

SWEEP_EVERY = 2.0  # seconds
MISSED_AFTER = 120.0  # seconds a label is on without its delivery
_LOOK_EVERY = 300.0  # seconds between two looks for labels whose delivery was lost
_GRACE = 60_000  # milliseconds for what runs to come to a place where it can be left
_LOG_BYTES = 256 << 20  # of one run's log; past it the run is ended
_FREE_SPACE = 1 << 30  # bytes the disk must have left for a run to begin


@contextmanager
def open_house(
    settings: Settings,
    *,
    public_url: str,
    nudges: Nudges,
    called: str = "",
    lease: float = LEASE,
    silent_after: float = SILENT_AFTER,
) -> Iterator[House]:
    """Build what runs share. Touches the data folder and the ledger, but no engine and no forge.

    `called` is what this data folder is to go by, "" = as before. Raises BadSettings.
    """
    data = host.folder(settings.data.path.absolute())
    name = host.name(data, called)
    box = settings.sandbox
    ledger = open_ledger(settings.store_url)
    try:
        link_key = host.link_key(ledger, data)
        hidden = [*settings.secrets, link_key]
        with alive(data, name) as holder:
            yield House(
                ledger=ledger,
                forges=_forges(settings, hidden),
                engine=Engine(
                    url=box.engine, instance=name, uid=box.uid, allow_unlimited=box.allow_unlimited
                ),
                data=data,
                worker=Worker(
                    host=name,
                    holder=holder,
                    per_repository=settings.limits.per_repository,
                    per_host=settings.limits.per_host,
                    lease=lease,
                    folder=once(data / "folder", secrets.token_hex(8)),
                    silent_after=silent_after,
                ),
                agents=_agents(settings),
                gateway=_gateway(settings, data, ledger, bytes.fromhex(link_key)),
                image=box.image,
                tools_image=box.tools_image,
                allowance=_allowance(box, Ceilings()),
                allowances={path: _allowance(box, own) for path, own in settings.limits.repositories.items()},
                log_bytes=_LOG_BYTES,
                identity=Identity(name=settings.git.name, email=settings.git.email),
                free_space=_FREE_SPACE,
                result_labels=_result_labels(settings.labels),
                public_url=public_url,
                link_key=bytes.fromhex(link_key),
                secrets=hidden,
                nudges=nudges,
            )
    finally:
        ledger.close()


def _agents(settings: Settings) -> dict[str, Agent]:
    return {
        name: KINDS[agent.kind](agent.command or (), agent.model, agent.resume_after_limit)
        for name, agent in settings.agents.items()
    }


def _gateway(settings: Settings, data: Path, ledger: Ledger, link_key: bytes) -> Gateway:
    return Gateway(
        data=data,
        ledger=ledger,
        link_key=link_key,
        routes=outside.routes(settings.models),
        budget=outside.allowance(settings.budget),
        hosts=settings.network.allow,
    )


def _allowance(box: Sandbox, own: Ceilings) -> Allowance:
    box = box.model_copy(update=own.model_dump(exclude_none=True))
    # The engine refuses more processors than there are.
    cpus = min(box.cpus, os.cpu_count() or 1)
    limits = Limits(memory=box.memory, cpus=cpus, pids=box.pids, disk=box.disk)
    return Allowance(limits, idle=box.idle_limit)


def _forges(settings: Settings, hidden: list[str]) -> dict[str, Forge]:
    """By name; a forge without a token is not there. A token that is replaced joins the `hidden`."""

    def again() -> Settings:
        now = settings.again()
        hidden.extend(set(now.secrets) - set(hidden))
        return now

    found: list[Forge] = []
    if token := settings.github.token.get_secret_value():
        github = GitHub(
            url=settings.github.url, token=token, again=lambda: again().github.token.get_secret_value()
        )
        found.append(github)
    if token := settings.gitlab.token.get_secret_value():
        gitlab = GitLab(
            url=settings.gitlab.url, token=token, again=lambda: again().gitlab.token.get_secret_value()
        )
        found.append(gitlab)
    return {forge.name: forge for forge in found}


def _result_labels(given: Labels) -> dict[State, str]:
    worn = {State.SUCCEEDED: given.succeeded, State.FAILED: given.failed, State.WAITING: given.waiting}
    return {state: label for state, label in worn.items() if label}


def defaults(settings: Settings) -> Defaults:
    """What holds where a command says nothing: the first agent of the file, the whole wall limit.

    Raises BadSettings on labels that ask for what cannot be.
    """
    return Defaults(
        agents=list(settings.agents),
        agent=next(iter(settings.agents), ""),
        wall_limit=settings.sandbox.wall_limit,
        wall_limits={
            path: own.wall_limit
            for path, own in settings.limits.repositories.items()
            if own.wall_limit is not None
        },
        bot_names={GitHub.name: settings.github.bot_name, GitLab.name: settings.gitlab.bot_name},
        labels=triggers.checked(settings.labels.run, settings.agents, router.route("run").options),
    )


@contextmanager
def working(
    house: House, broker: dramatiq.Broker, *, settings: Settings, sweep_every: float, missed_after: float
) -> Iterator[threading.Event]:
    """Run actors and sweep during the block; the event tells them to stop. Raises BotError where they cannot.

    `sweep_every` is in seconds; infinity: never, so that messages alone must carry everything. A label
    that is on for `missed_after` seconds without its delivery is found. At the end what runs is let go
    in good order: the agents go on, for the next worker to find.
    """
    house = fit(house, settings.network.sets)
    stopping = threading.Event()
    jobs = jobs_of(house, settings)
    with at_work(house.data, alone=not settings.queue.url.get_secret_value()):
        sweep = sweep_of(house, broker)
        sweep.be_seen()
        actors.declare(broker, house, jobs, stopping)
        runs = queue.start_work(broker, host=house.worker.host, runs=house.worker.per_host)
        talk = queue.start_talk(broker)
        missed = missed_of(house, settings, age=missed_after, stopping=stopping)
        sweepers = [  # each its own: neither a slow forge nor a removal must hold up what is due here
            threading.Thread(
                target=keep_sweeping, args=(once,), kwargs={"every": every, "stopping": stopping}
            )
            for once, every in (
                (sweep.once, sweep_every),
                (Janitor(house).once, sweep_every),
                (missed.once, _LOOK_EVERY),
            )
        ]
        for sweeper in sweepers:
            sweeper.start()
        try:
            yield stopping
        finally:
            stopping.set()
            runs.stop(timeout=_GRACE)  # the last words of what ran are still told
            talk.stop(timeout=_GRACE)
            for sweeper in sweepers:
                sweeper.join()


def answer_of(house: House, settings: Settings) -> Answer:
    return Answer(
        ledger=house.ledger,
        forges=house.forges,
        router=router,
        allow=tuple(settings.repositories.allow),
        defaults=defaults(settings),
        nudges=house.nudges,
        patch_url=house.patch_url,
    )


def missed_of(house: House, settings: Settings, *, age: float, stopping: threading.Event) -> Missed:
    answer = answer_of(house, settings)
    return Missed(
        ledger=house.ledger,
        forges=house.forges,
        labels=triggers.labels(answer.defaults.agents, answer.defaults.labels),
        allow=answer.allow,
        answer=answer.found,
        age=age,
        stopping=stopping,
    )


def jobs_of(house: House, settings: Settings) -> Jobs:
    dead = partial(is_dead, house.data)
    answer = answer_of(house, settings)
    return Jobs(answer=answer, execute=run.execute, report=report.send, is_dead=dead)


def sweep_of(house: House, broker: dramatiq.Broker) -> Sweep:
    return Sweep(
        ledger=house.ledger,
        worker=house.worker,
        nudges=queue.nudges(broker, work=queue.host_queue(house.worker.host)),
        is_dead=partial(is_dead, house.data),
    )
