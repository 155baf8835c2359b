"""Everything that runs on this host share, built once from the settings."""

import hashlib
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol, Self

from sqlalchemy import Connection

from bot.agents.agent import Agent
from bot.domain.lifecycle import State
from bot.domain.nudges import Nudges
from bot.domain.outcomes import RunVerdict
from bot.domain.task import Identity, Run, Task
from bot.forges.forge import Forge
from bot.gateway.endpoint import GatewayEndpoint
from bot.gateway.providers import Provider
from bot.git.mirror import Mirror
from bot.runs.run_limits import RunLimits
from bot.sandbox.engine.containers import Engine
from bot.sandbox.workspace import Workspaces
from bot.store.claims import Worker
from bot.store.data_folder import DataFolder
from bot.store.ledger import Ledger
from bot.store.shared_keys import patch_url, task_url


class Usage(Protocol):
    """The usage of one run, counted by the gateway."""

    @property
    def unsaved(self) -> bool:
        """Report whether the ledger does not have all of it yet."""

    def save(self, tx: Connection) -> None: ...


class AgentAccess(Protocol):
    """One run's way through the gateway. All of it may be read at any time, by any thread."""

    @property
    def counter(self) -> Usage: ...

    @property
    def stop(self) -> RunVerdict | None:
        """The gateway's reason to stop the agent, if there is one."""

    @property
    def limited(self) -> bool:
        """Report whether the last response of a provider was 429, Too Many Requests."""

    @property
    def limited_until(self) -> float | None:
        """End of that provider's limit in seconds since the epoch, if the response named one."""


class RunGateway(Protocol):
    """The gateway of this host, as runs use it. `bot.gateway.run_gateway` explains each operation."""

    @property
    def providers(self) -> Mapping[str, Provider]: ...

    @property
    def hosts(self) -> Sequence[str]: ...

    def folder(self, run_id: str) -> Path: ...

    def endpoint(self, run_id: str) -> GatewayEndpoint | None: ...

    def exhausted_budget(self, run: Run, task: Task) -> str: ...

    def unpriced_provider(self) -> str: ...

    def reaching(self, hosts: Sequence[str]) -> Self: ...

    def open(self, run: Run, task: Task) -> AbstractContextManager[AgentAccess]: ...

    def remove(self, run_id: str) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Runtime:
    """Everything a process shares between runs.

    `log_bytes` and `free_space` are in bytes; `secrets` never leave the host.
    """

    ledger: Ledger
    forges: Mapping[str, Forge]
    engine: Engine
    data: DataFolder
    worker: Worker
    agents: Mapping[str, Agent]
    gateway: RunGateway
    image: str
    tools_image: str
    limits: RunLimits
    repository_limits: Mapping[str, RunLimits]  # of repositories with limits of their own, by lower-case path
    log_bytes: int
    identity: Identity
    signoff: bool = False  # sign off commits in the bot's name
    closes_issues: bool = False  # let the change of a task close its issue when it is merged
    output_lines: int = 20  # of the agent's output that the final comment of a failed run shows
    free_space: int
    result_labels: Mapping[State, str]  # the label of a thread whose task is in this state
    public_url: str
    link_key: bytes
    secrets: Sequence[str]
    nudges: Nudges

    def reaching(self, hosts: Sequence[str]) -> Self:
        """Return this runtime with more package hosts that agents may reach."""
        return replace(self, gateway=self.gateway.reaching(hosts))

    def mirror(self, task: Task) -> Mirror:
        """Return the mirror of the task's repository; it survives a rename of the repository."""
        thread = task.thread
        if thread.repository_id:
            key = f"{thread.forge}-{thread.repository_id}"
        else:
            key = hashlib.sha256(thread.repository_url.encode()).hexdigest()[:20]
        return Mirror(self.data.mirror(key))

    def workspaces(self) -> Workspaces:
        return Workspaces(root=self.data.workspaces, engine=self.engine, image=self.tools_image)

    def quarantine(self, task_id: str) -> Path:
        return self.data.quarantine(task_id)

    def limits_of(self, task: Task) -> RunLimits:
        """Return the limits of the task's repository."""
        return self.repository_limits.get(task.thread.path.lower(), self.limits)

    def page(self, task_id: str) -> str:
        """Return the address of the task's page, with its signature."""
        return task_url(self.public_url, self.link_key, task_id)

    def patch_url(self, task_id: str) -> str:
        """Return the address of the patch of the task's last run, with its signature."""
        return patch_url(self.public_url, self.link_key, task_id)

    def forge_of(self, task: Task) -> Forge | None:
        """Return the forge of the task's thread; None if the operator made the task without a forge."""
        return self.forges.get(task.thread.forge)
