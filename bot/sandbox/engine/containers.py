"""The container engine, as far as the bot uses it.

Every container is made here, so that none can be made without the whole list of
restraints: no network, no capabilities, a read-only root, limits on memory,
processes and files.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from http import HTTPStatus
from typing import Any

from docker import APIClient
from docker.errors import APIError, NotFound
from docker.types import HostConfig, LogConfig

from bot.domain.errors import BadSettings, BotError, SandboxFailed
from bot.domain.interrupt import Check, interruptible, uninterrupted, within
from bot.sandbox.engine.client import connect, engine_errors
from bot.sandbox.engine.container_state import Condition, condition_of
from bot.sandbox.engine.helper_container import to_its_end
from bot.sandbox.engine.host_config import (
    TOOL_LIMITS,
    ContainerLimits,
    ContainerSpec,
    Mount,
    host_config,
    refuse_unlimited,
    unenforceable,
)
from bot.sandbox.engine.logs import log_of
from bot.sandbox.engine.streams import ContainerLog, Stream

__all__ = ["Condition", "ContainerLimits", "ContainerSpec", "Engine", "Mount", "OwnContainer"]

LABEL = "forgehand"
INSTANCE = "forgehand.instance"

WORKSPACE = "/workspace"

_STOP_TIMEOUT = 3  # seconds between SIGTERM and SIGKILL
_CLEAR_WITHIN = 3.0  # seconds to wait for the removal of a helper container that was given up
_MAX_OUTPUT = 1 << 20  # bytes of stdout `tool` returns

# The engine stores each line as a JSON object with stream and time: 73 bytes for an empty one, and six for a
# control character. Past its own limit it drops what nobody may have read yet, so there has to be room for
# all that a run may print, and for what the agent is ahead of us when we stop it.
_LOG_OVERHEAD = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnContainer:
    """A container of this instance, running or not."""

    name: str
    labels: Mapping[str, str]


class Engine:
    """One container engine, used by one instance of the bot.

    Every call raises EngineUnavailable where the engine does not answer (worth a retry), SandboxFailed
    where it answers that it will not, BadSettings where an operator must change something.
    """

    def __init__(
        self, *, url: str, instance: str, uid: int, runtime: str = "", allow_unlimited: bool = False
    ) -> None:
        self._url = url  # "" = DOCKER_HOST, else the default socket
        self._instance = instance
        self._uid = uid
        self._runtime = runtime
        self._allow_unlimited = allow_unlimited

    @cached_property
    def _api(self) -> APIClient:
        return connect(self._url)

    @cached_property
    def _info(self) -> dict[str, Any]:
        with engine_errors():
            return self._api.info()

    def check(self) -> list[str]:
        """Look whether the engine answers, has the runtime that was named and can limit what it must.

        Returns what it cannot limit all the same: swap and cpus, and the others where that is allowed.
        """
        runtimes = self._info["Runtimes"]
        if self._runtime and self._runtime not in runtimes:
            has = ", ".join(sorted(runtimes))
            raise BadSettings(f"The container engine has no runtime {self._runtime!r}; it has {has}.")
        lacking = unenforceable(self._info)
        if not self._allow_unlimited:
            refuse_unlimited(lacking)
        return lacking

    def require_image(self, name: str) -> None:
        """Raise BadSettings if the image is not there. It is never pulled."""
        with engine_errors():
            self._api.inspect_image(name)  # type: ignore[no-untyped-call]

    def tool(
        self,
        *,
        name: str,
        image: str,
        script: str,
        args: Sequence[str],
        mounts: Sequence[Mount],
        seconds: float,
        check: Check = uninterrupted,
    ) -> bytes:
        """Run a shell script to its end in a container and return its stdout; raises as `tool_stream`."""
        with self.tool_stream(
            name=name, image=image, script=script, args=args, mounts=mounts, seconds=seconds, check=check
        ) as stream:
            output = stream.read_exactly(_MAX_OUTPUT + 1)
            if len(output) > _MAX_OUTPUT:
                raise SandboxFailed("A container of ours printed more than it may.")
        return output

    @contextmanager
    def tool_stream(
        self,
        *,
        name: str,
        image: str,
        script: str,
        args: Sequence[str],
        mounts: Sequence[Mount],
        seconds: float,
        check: Check = uninterrupted,
    ) -> Iterator[Stream]:
        """Run a shell script in a container and hand out its stdout while it runs.

        Leaving the block waits for the end: SandboxFailed, with the last of its stderr, unless it exits 0
        within `seconds` of its start. Leaving it by an exception kills the container. `check` is called
        while it runs; what it raises leaves the block so.
        """
        argv = ["sh", "-c", script, "sh", *args]
        host = self._restrained(mounts, TOOL_LIMITS, LogConfig(type="none"))
        container = self._make_anew(name, image=image, entrypoint=argv, host_config=host)
        try:
            with to_its_end(self._api, container, seconds=seconds, check=check) as stream:
                yield stream
        except BaseException:
            # An engine that hangs must not hide the reason. The next run of the task removes what is left.
            with suppress(BotError, TimeoutError):
                interruptible(lambda: self.remove(container), within(_CLEAR_WITHIN))
            raise
        self.remove(container)

    def start(self, sandbox: ContainerSpec) -> None:
        """Start it and return. A container of that name that was started before is left as it is."""
        size = str(sandbox.log_bytes * _LOG_OVERHEAD)
        log = LogConfig(type="json-file", config={"max-size": size, "max-file": "1"})
        created = self._create(
            sandbox.name,
            image=sandbox.image,
            entrypoint=list(sandbox.argv),
            working_dir=WORKSPACE,
            environment=dict(sandbox.env),
            labels=dict(sandbox.labels),
            host_config=self._restrained(sandbox.mounts, sandbox.limits, log),
        )
        if created is None and (before := self.condition(sandbox.name)) and before.was_started:
            return
        try:
            with engine_errors():
                self._api.start(sandbox.name)
        except SandboxFailed:
            self.remove(sandbox.name)
            raise

    def follow(self, name: str, skip: int) -> ContainerLog:
        """Return what the container has printed and prints, stdout and stderr, but its first `skip` bytes.

        The same bytes come in the same order each time, but what is not UTF-8 was replaced by the engine.
        """
        return log_of(self._api, self._url, self._info, name, skip=skip)

    def condition(self, name: str) -> Condition | None:
        """Return how the container is; None where there is none of that name."""
        with engine_errors():
            try:
                state = self._api.inspect_container(name)["State"]
            except NotFound:
                return None
        return condition_of(state, self._info)

    def stop(self, name: str, grace: int = _STOP_TIMEOUT) -> None:
        """End it by SIGTERM, and by SIGKILL after `grace` seconds. Fine when it is not there or over."""
        with engine_errors(), suppress(NotFound):
            self._api.stop(name, timeout=grace)

    def remove(self, name: str) -> None:
        """Remove it, killed if need be. Fine when it is not there."""
        with engine_errors():
            try:
                self._api.remove_container(name, v=True, force=True)
            except NotFound:
                pass
            except APIError as error:
                if error.status_code != HTTPStatus.CONFLICT:  # conflict: it is being removed already
                    raise

    def ours(self) -> list[OwnContainer]:
        """Return the containers of this instance, whatever their condition."""
        with engine_errors():
            found = self._api.containers(all=True, filters={"label": f"{INSTANCE}={self._instance}"})
        return [OwnContainer(name=each["Names"][0].lstrip("/"), labels=each["Labels"]) for each in found]

    def _restrained(self, mounts: Sequence[Mount], limits: ContainerLimits, log: LogConfig) -> HostConfig:
        return host_config(
            self._api,
            uid=self._uid,
            mounts=mounts,
            limits=limits,
            info=self._info,
            log=log,
            runtime=self._runtime,
        )

    def _create(self, name: str, *, labels: Mapping[str, str] | None = None, **config: Any) -> str | None:
        """Return the new container's id; None where the name is taken."""
        with engine_errors():
            try:
                created = self._api.create_container(
                    name=name,
                    user=f"{self._uid}:{self._uid}",
                    labels={LABEL: "1", INSTANCE: self._instance, **(labels or {})},
                    stop_timeout=_STOP_TIMEOUT,
                    # The operator's ~/.docker/config.json may name a proxy with its password.
                    use_config_proxy=False,
                    **config,
                )
            except APIError as error:
                if error.status_code != HTTPStatus.CONFLICT:
                    raise
                return None
        return str(created["Id"])

    def _make_anew(self, name: str, **config: Any) -> str:
        """Return the new container's id. One of that name was left by a worker that died, and goes."""
        container = self._create(name, **config)
        if container is None:
            self.remove(name)
            container = self._create(name, **config)
        if container is None:
            raise SandboxFailed(f"There is another container {name}.")
        return container
