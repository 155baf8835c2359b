"""Composition root of what works: from settings to a House, and to actors that live in it.

What cannot work is refused before anything starts, in words that say what to do
next: a bot that comes up half is worse than one that does not.
"""

import os
import secrets
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import dramatiq
import redis
from sqlalchemy.exc import OperationalError

from bot import actors, queue, report, run
from bot.actors import Jobs
from bot.answer import Answer
from bot.errors import BadSettings
from bot.forges.forge import Forge
from bot.forges.github import GitHub
from bot.forges.gitlab import GitLab
from bot.house import Allowance, House
from bot.model import Identity, State
from bot.prepare import mirror_key
from bot.presence import alive, at_work, is_dead, once
from bot.queue import Nudges
from bot.sandbox.container import Engine, Limits
from bot.sandbox.mirror import Mirror
from bot.sandbox.workspace import Workspaces
from bot.sections import Ceilings, Labels, Sandbox
from bot.settings import Settings
from bot.store import tasks
from bot.store.leases import LEASE, Worker
from bot.store.ledger import Ledger, open_ledger
from bot.sweep import Sweep, keep_sweeping
from bot.tasks import Defaults
from handlers import router

SWEEP_EVERY = 2.0  # seconds
_GRACE = 60_000  # milliseconds for what runs to come to a place where it can be left
_LOG_BYTES = 256 << 20  # of one run's log; past it the run is ended
_FREE_SPACE = 1 << 30  # bytes the disk must have left for a run to begin


@contextmanager
def open_house(
    settings: Settings, *, public_url: str, nudges: Nudges, lease: float = LEASE
) -> Iterator[House]:
    """Build what runs share. Touches the data folder and the ledger, but no engine and no forge."""
    data = settings.data.path.absolute()
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    host = once(data / "instance", f"{socket.gethostname()}-{secrets.token_hex(3)}")
    link_key = once(data / "link.key", secrets.token_hex(32))
    box = settings.sandbox
    hidden = [*settings.secrets, link_key]
    ledger = ledger_of(settings)
    try:
        with alive(data, host) as holder:
            yield House(
                ledger=ledger,
                forges=_forges(settings, hidden),
                engine=Engine(url=box.engine, instance=host, uid=box.uid),
                data=data,
                worker=Worker(
                    host=host,
                    holder=holder,
                    per_repository=settings.limits.per_repository,
                    per_host=settings.limits.per_host,
                    lease=lease,
                ),
                agents={name: agent.command for name, agent in settings.agents.items()},
                image=box.image,
                tools_image=box.tools_image,
                allowance=_allowance(box, Ceilings()),
                allowances={
                    path: _allowance(box, own) for path, own in settings.limits.repositories.items()
                },
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


def ledger_of(settings: Settings) -> Ledger:
    """Open the ledger. Raises BadSettings where it does not answer."""
    settings.data.path.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        return open_ledger(settings.store_url)
    except OperationalError as error:
        reason = str(error.orig).strip().split("\n")[0]
        raise BadSettings(f"The ledger at [store] url does not open: {reason}.") from None


def check(house: House) -> None:
    """Refuse to work without an agent, an engine that answers, and both images. Raises BotError."""
    if not house.agents:
        raise BadSettings(
            "[agents] names no agent. Give one a command line, for instance:\n"
            '  [agents.demo]\n  command = "forgehand-demo-agent"'
        )
    house.engine.check()
    for image in (house.tools_image, house.image):
        house.engine.require_image(image)


def check_forge(settings: Settings) -> None:
    """Refuse to speak to no forge at all, or to hear one that we could not answer. Raises BadSettings."""
    github, gitlab = settings.github, settings.gitlab
    tokens = {"github": github.token, "gitlab": gitlab.token}
    heard = {"github": github.webhook_secrets, "gitlab": [*gitlab.webhook_secrets, *gitlab.signing_tokens]}
    mute = [name for name in tokens if heard[name] and not tokens[name]]
    if not mute and not any(tokens.values()):
        mute = list(tokens)
    if mute:
        keys = " and ".join(f"[{name}] token" for name in mute)
        variables = " or ".join(f"FORGEHAND_{name.upper()}__TOKEN" for name in mute)
        raise BadSettings(
            f"{keys} {'is' if len(mute) == 1 else 'are'} empty: the bot could not ask for permissions, push "
            f"or answer. Make a token for its account; give it there, or in {variables}, or in a file named "
            "by that with _FILE at its end."
        )


def check_redis(settings: Settings, command: str) -> None:
    """Refuse to share work without a Redis that answers. Raises BadSettings."""
    url = settings.queue.url.get_secret_value()
    if not url:
        raise BadSettings(
            f"`forgehand {command}` shares its work with other processes and needs [queue] url, such as "
            "redis://127.0.0.1:6379/0. For everything in one process: `forgehand up`."
        )
    try:
        queue.client(url).ping()
    except redis.RedisError as error:
        raise BadSettings(
            f"Redis at [queue] url does not answer ({type(error).__name__}). Is it up?"
        ) from None


def defaults(settings: Settings) -> Defaults:
    """What holds where a command says nothing: the first agent of the file, the whole wall limit."""
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
        labels=settings.labels.run,
    )


@contextmanager
def working(
    house: House, broker: dramatiq.Broker, *, settings: Settings, sweep_every: float
) -> Iterator[threading.Event]:
    """Run actors and sweep during the block; the event tells them to stop. Raises BotError where they cannot.

    `sweep_every` is in seconds; infinity: never, so that messages alone must carry everything. At the
    end what runs is let go in good order: the agents go on, for the next worker to find.
    """
    check(house)
    stopping = threading.Event()
    jobs = jobs_of(house, settings)
    with at_work(house.data, alone=not settings.queue.url.get_secret_value()):
        actors.declare(broker, house, jobs, stopping)
        runs = queue.start_work(broker, host=house.worker.host, runs=house.worker.per_host)
        talk = queue.start_talk(broker)
        sweeper = threading.Thread(
            target=keep_sweeping,
            args=(sweep_of(house, broker),),
            kwargs={"every": sweep_every, "stopping": stopping},
            name="sweep",
        )
        sweeper.start()
        try:
            yield stopping
        finally:
            stopping.set()
            runs.stop(timeout=_GRACE)  # the last words of what ran are still told
            talk.stop(timeout=_GRACE)
            sweeper.join()


def jobs_of(house: House, settings: Settings) -> Jobs:
    answer = Answer(
        ledger=house.ledger,
        forges=house.forges,
        router=router,
        allow=tuple(settings.repositories.allow),
        defaults=defaults(settings),
        nudges=house.nudges,
        patch_url=house.patch_url,
    )
    dead = partial(is_dead, house.data)
    return Jobs(answer=answer, execute=run.execute, report=report.send, is_dead=dead)


def sweep_of(house: House, broker: dramatiq.Broker) -> Sweep:
    return Sweep(
        ledger=house.ledger,
        worker=house.worker,
        nudges=queue.nudges(broker, work=queue.host_queue(house.worker.host)),
        is_dead=partial(is_dead, house.data),
        remove=partial(remove_workspace, house),
    )


def remove_workspace(house: House, task_id: str) -> None:
    """Take a workspace off the disk, and what the mirror kept for it. Raises as `Workspaces.remove`."""
    with house.ledger.read() as tx:
        key = mirror_key(tasks.get(tx, task_id))
    mirror = Mirror(house.data / "mirrors" / f"{key}.git")
    # First, because a run that begins anew while the files go has heads of its own to keep.
    if mirror.path.exists():
        mirror.release(task_id)
    Workspaces(data=house.data, engine=house.engine, image=house.tools_image).remove(task_id)
