"""Composition root of a House: from settings to the parts that runs of this host share."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from bot.app.settings import gateway as outside
from bot.app.settings.load import Settings
from bot.app.settings.sections import LabelsSettings, RepositoryLimitsSettings, SandboxSettings
from bot.domain.lifecycle import State
from bot.domain.nudges import Nudges
from bot.domain.task import Identity
from bot.forges.forge import Forge
from bot.forges.github import GitHub
from bot.forges.gitlab import GitLab
from bot.gateway.opening import Gateway
from bot.runs.runtime import Allowance, Runtime
from bot.sandbox.engine.containers import ContainerLimits, Engine
from bot.store import data_folder, shared_keys
from bot.store.claims import Worker
from bot.store.data_folder import DataFolder
from bot.store.hosts import UNRESPONSIVE_AFTER
from bot.store.leases import LEASE
from bot.store.ledger import Ledger, open_ledger
from bot.store.process_locks import process_lock

_LOG_BYTES = 256 << 20  # of one run's log; past it the run is ended
_FREE_SPACE = 1 << 30  # bytes the disk must have left for a run to begin


@contextmanager
def build_runtime(
    settings: Settings,
    *,
    public_url: str,
    nudges: Nudges,
    called: str = "",
    lease: float = LEASE,
    unresponsive_after: float = UNRESPONSIVE_AFTER,
) -> Iterator[Runtime]:
    """Build what runs share. Touches the data folder and the ledger, but no engine and no forge.

    `called` is what this data folder is to go by, "" = as before. Raises BadSettings.
    """
    data = data_folder.create(settings.data.path.absolute())
    name = data_folder.host_name(data, called)
    box = settings.sandbox
    ledger = open_ledger(settings.store_url)
    try:
        link_key = shared_keys.link_key(ledger, data)
        hidden = [*settings.secrets, link_key]
        with process_lock(data, name) as holder:
            yield Runtime(
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
                    folder=data_folder.identity(data),
                    unresponsive_after=unresponsive_after,
                ),
                agents={name: agent.made() for name, agent in settings.agents.items()},
                gateway=_gateway(settings, data, ledger, bytes.fromhex(link_key)),
                image=box.image,
                tools_image=box.tools_image,
                allowance=_allowance(box, RepositoryLimitsSettings()),
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


def _gateway(settings: Settings, data: DataFolder, ledger: Ledger, link_key: bytes) -> Gateway:
    return Gateway(
        data=data,
        ledger=ledger,
        link_key=link_key,
        routes=outside.routes(settings.models),
        budget=outside.allowance(settings.budget),
        hosts=settings.network.allow,
    )


def _allowance(box: SandboxSettings, own: RepositoryLimitsSettings) -> Allowance:
    box = box.model_copy(update=own.model_dump(exclude_none=True))
    # The engine refuses more processors than there are.
    cpus = min(box.cpus, os.cpu_count() or 1)
    limits = ContainerLimits(memory=box.memory, cpus=cpus, pids=box.pids, disk=box.disk)
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
            url=settings.github.url,
            token=token,
            web=settings.github.web_url,
            again=lambda: again().github.token.get_secret_value(),
        )
        found.append(github)
    if token := settings.gitlab.token.get_secret_value():
        gitlab = GitLab(
            url=settings.gitlab.url,
            token=token,
            web=settings.gitlab.web_url,
            again=lambda: again().gitlab.token.get_secret_value(),
        )
        found.append(gitlab)
    return {forge.name: forge for forge in found}


def _result_labels(given: LabelsSettings) -> dict[State, str]:
    worn = {State.SUCCEEDED: given.succeeded, State.FAILED: given.failed, State.WAITING: given.waiting}
    return {state: label for state, label in worn.items() if label}
