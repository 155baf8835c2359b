"""Composition root of the runtime: everything that the runs of this host share, built from the settings."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from bot.app import certificates, configured_forges
from bot.app.ledger_wait import opened_ledger, when_ledger_answers
from bot.app.settings import budgets
from bot.app.settings import gateway as gateway_settings
from bot.app.settings.limits import RepositoryLimitsSettings, SandboxSettings
from bot.app.settings.sections import LabelsSettings
from bot.app.settings.settings import Settings
from bot.domain.errors import BadSettings
from bot.domain.interrupt import Check
from bot.domain.lifecycle import State
from bot.domain.nudges import Nudges
from bot.domain.task import Identity
from bot.gateway.run_gateway import Gateway
from bot.runs.run_limits import RunLimits
from bot.runs.runtime import Runtime
from bot.sandbox.engine.containers import ContainerLimits, Engine
from bot.store import data_folder, shared_keys
from bot.store.claims import Worker
from bot.store.data_folder import DataFolder
from bot.store.hosts import UNRESPONSIVE_AFTER
from bot.store.leases import LEASE
from bot.store.ledger import Ledger
from bot.store.process_locks import process_lock

_LOG_BYTES = 256 << 20  # of one run's log; a run that prints more is ended
_FREE_SPACE = 1 << 30  # bytes that the disk must have free before a run starts


@contextmanager
def build_runtime(
    settings: Settings,
    *,
    public_url: str,
    nudges: Nudges,
    host: str = "",
    lease: float = LEASE,
    unresponsive_after: float = UNRESPONSIVE_AFTER,
    check: Check | None = None,
) -> Iterator[Runtime]:
    """Build the runtime for the block. Touches the data folder and the ledger, but no engine and no forge.

    `host` names this data folder; "" keeps its name. `lease` and `unresponsive_after` are seconds. `check` is
    called while a ledger that went away is waited for; without it, that wait has a limit. Raises BadSettings.
    """
    data = data_folder.create(settings.data.path.absolute())
    certificates.trust(settings.tls.ca_file, data.authorities)
    name = data_folder.host_name(data, host)
    ledger = opened_ledger(settings.store_url, check)
    try:
        key = when_ledger_answers(lambda: shared_keys.link_key(ledger, data), check)
        with process_lock(data, name) as holder:
            worker = Worker(
                host=name,
                holder=holder,
                per_repository=settings.limits.per_repository,
                per_host=settings.limits.per_host,
                lease=lease,
                folder=data_folder.identity(data),
                unresponsive_after=unresponsive_after,
                uids=_uids(settings),
            )
            yield _runtime(settings, data, ledger, worker, link_key=key, public_url=public_url, nudges=nudges)
    finally:
        ledger.close()


def _runtime(
    settings: Settings,
    data: DataFolder,
    ledger: Ledger,
    worker: Worker,
    *,
    link_key: str,
    public_url: str,
    nudges: Nudges,
) -> Runtime:
    hidden = [*settings.secrets, link_key]
    return Runtime(
        ledger=ledger,
        forges=configured_forges.adapters(settings, hidden),
        engine=_engine(settings.sandbox, worker),
        data=data,
        worker=worker,
        agents={name: agent.build() for name, agent in settings.agents.items()},
        gateway=_gateway(settings, data, ledger, bytes.fromhex(link_key)),
        image=settings.sandbox.image,
        tools_image=settings.sandbox.tools_image,
        limits=_limits(settings.sandbox, RepositoryLimitsSettings()),
        repository_limits=_repository_limits(settings),
        log_bytes=_LOG_BYTES,
        identity=Identity(name=settings.git.name, email=settings.git.email),
        signoff=settings.git.signoff,
        closes_issues=settings.git.closes_issues,
        output_lines=settings.comments.output_lines,
        free_space=_FREE_SPACE,
        result_labels=_result_labels(settings.labels),
        public_url=public_url,
        link_key=bytes.fromhex(link_key),
        secrets=hidden,
        nudges=nudges,
    )


def _uids(settings: Settings) -> list[int]:
    """Return the user ids of tasks, without the bot's own; [] if all have the same. Raises BadSettings."""
    sandbox, most = settings.sandbox, settings.limits.per_host
    if sandbox.uid is not None:
        if sandbox.uid == os.geteuid():
            raise BadSettings(
                f"[sandbox] uid is {sandbox.uid}, the bot's own user id: an agent could do what the bot may "
                "do. Set another one."
            )
        return []
    uids = [uid for uid in sandbox.uids if uid != os.geteuid()]
    if len(uids) < most:
        raise BadSettings(
            f"[sandbox] uids has {len(uids)} user ids that are not the bot's own, fewer than the {most} runs "
            "that [limits] per_host allows at once. Give it more, or set uid for all tasks."
        )
    return uids


def _engine(sandbox: SandboxSettings, worker: Worker) -> Engine:
    return Engine(
        url=sandbox.engine,
        instance=worker.host,
        uid=sandbox.uid or worker.uids[0],
        allow_unlimited=sandbox.allow_unlimited,
    )


def _gateway(settings: Settings, data: DataFolder, ledger: Ledger, link_key: bytes) -> Gateway:
    return Gateway(
        data=data,
        ledger=ledger,
        link_key=link_key,
        providers=gateway_settings.providers(settings.models),
        budget=budgets.budget_of(settings.budget),
        hosts=settings.network.allow,
    )


def _repository_limits(settings: Settings) -> dict[str, RunLimits]:
    return {path: _limits(settings.sandbox, own) for path, own in settings.limits.repositories.items()}


def _limits(sandbox: SandboxSettings, own: RepositoryLimitsSettings) -> RunLimits:
    """Apply the limits of one repository to those of all sandboxes."""
    merged = sandbox.model_copy(update=own.model_dump(exclude_none=True))
    container = ContainerLimits(memory=merged.memory, cpus=merged.cpus, pids=merged.pids, disk=merged.disk)
    return RunLimits(container, idle=merged.idle_limit)


def _result_labels(labels: LabelsSettings) -> dict[State, str]:
    by_state = {
        State.SUCCEEDED: labels.succeeded,
        State.FAILED: labels.failed,
        State.WAITING: labels.waiting,
    }
    return {state: label for state, label in by_state.items() if label}
