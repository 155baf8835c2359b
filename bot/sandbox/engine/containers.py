"""The container engine, with the operations that the bot needs.

Every container has the whole list of restrictions: no network, no capabilities, a read-only root, a filter of
system calls, limits on memory, processes and files.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cached_property
from http import HTTPStatus
from typing import Any

from docker import APIClient
from docker.errors import APIError, NotFound

from bot.domain.errors import BotError, DiskFull, SandboxFailed
from bot.domain.interrupt import Check, interruptible, uninterrupted, within
from bot.sandbox.engine import seccomp
from bot.sandbox.engine.client import connect, engine_errors
from bot.sandbox.engine.container_state import Condition, OwnContainer, condition_of
from bot.sandbox.engine.creation import INSTANCE, STOP_TIMEOUT, create
from bot.sandbox.engine.helper_container import running
from bot.sandbox.engine.host_config import (
    TOOL_LIMITS,
    ContainerLimits,
    ContainerSpec,
    Mount,
    refuse_unlimited,
    unenforceable,
)
from bot.sandbox.engine.logs import log_of
from bot.sandbox.engine.streams import ContainerLog, Stream

__all__ = ["Condition", "ContainerLimits", "ContainerSpec", "Engine", "Mount", "OwnContainer"]

_CLEAR_WITHIN = 3.0  # seconds to wait for the removal of a helper container after an error
_MAX_OUTPUT = 1 << 20  # bytes of stdout `tool` returns


class Engine:
    """One container engine, used by one instance of the bot.

    Every call raises EngineUnavailable if the engine does not answer (worth a retry), SandboxFailed if it
    refuses, and BadSettings if an operator must change something.
    """

    def __init__(self, *, url: str, instance: str, uid: int, allow_unlimited: bool = False) -> None:
        self._url = url  # "" = DOCKER_HOST, else the default socket
        self._instance = instance
        self._uid = uid
        self._allow_unlimited = allow_unlimited

    @cached_property
    def _api(self) -> APIClient:
        return connect(self._url)

    @cached_property
    def _info(self) -> dict[str, Any]:
        with engine_errors():
            return self._api.info()

    def check(self) -> list[str]:
        """Check that the engine answers, can limit memory and processes, and has seccomp filters.

        Return the limits it cannot enforce: swap and cpus, and with `allow_unlimited` also the others.
        """
        missing = unenforceable(self._info)
        if not self._allow_unlimited:
            refuse_unlimited(missing)
            seccomp.require(self._info)
        return missing

    @property
    def has_filters(self) -> bool:
        """Report whether containers start with a seccomp filter of the bot's own."""
        return seccomp.is_available(self._info)

    def require_image(self, name: str) -> None:
        """Raise BadSettings if the image does not exist here. It is never pulled."""
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
        uid: int | None = None,
        check: Check = uninterrupted,
    ) -> bytes:
        """Run a shell script in a container and return its stdout. Parameters and errors of `tool_stream`."""
        with self.tool_stream(
            name=name,
            image=image,
            script=script,
            args=args,
            mounts=mounts,
            seconds=seconds,
            uid=uid,
            check=check,
        ) as stream:
            output = stream.read_exactly(_MAX_OUTPUT + 1)
            if len(output) > _MAX_OUTPUT:
                raise SandboxFailed("A helper container printed more than its limit.")
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
        uid: int | None = None,
        check: Check = uninterrupted,
    ) -> Iterator[Stream]:
        """Run a shell script in a container during the block, and yield its stdout while it runs.

        `uid` is the user id of its processes; None = the default one. The end of the block waits for the
        script. Raises SandboxFailed, with the end of its stderr, unless it exits 0 within `seconds` of its
        start, and ProcessKilled if something else killed it. An exception in the block kills the container.
        `check` is called while the script runs; its exceptions do the same.
        """
        argv = ["sh", "-c", script, "sh", *args]
        spec = ContainerSpec(
            name=name,
            image=image,
            argv=argv,
            mounts=mounts,
            limits=TOOL_LIMITS,
            log_bytes=0,
            uid=uid,
            working_dir="",
        )
        container = self._recreate(spec)
        try:
            with running(self._api, container, info=self._info, seconds=seconds, check=check) as stream:
                yield stream
        except BaseException:
            # An engine that hangs must not hide the exception. The next run of the task removes leftovers.
            with suppress(BotError, TimeoutError):
                interruptible(lambda: self.remove(container), within(_CLEAR_WITHIN))
            raise
        self.remove(container)

    def start(self, sandbox: ContainerSpec) -> None:
        """Start the agent's container and return. If it has been started before, it is left as it is."""
        created = self._create(sandbox)
        if created is None and (before := self.condition(sandbox.name)) and before.was_started:
            return
        try:
            with engine_errors():
                self._api.start(sandbox.name)
        except (SandboxFailed, DiskFull):
            self.remove(sandbox.name)
            raise

    def follow(self, name: str, skip: int) -> ContainerLog:
        """Return the past and future output of the container, stdout and stderr, from byte `skip` on.

        Each call gives the same bytes in the same order. The engine has replaced bytes that are not UTF-8.
        """
        return log_of(self._url, self._info, name, skip=skip)

    def condition(self, name: str) -> Condition | None:
        """Return the condition of the container; None if there is none with this name."""
        with engine_errors():
            try:
                state = self._api.inspect_container(name)["State"]
            except NotFound:
                return None
        return condition_of(state, self._info)

    def stop(self, name: str, grace: int = STOP_TIMEOUT) -> None:
        """Send SIGTERM, and SIGKILL after `grace` seconds. No error if it does not exist or has ended."""
        with engine_errors(), suppress(NotFound):
            self._api.stop(name, timeout=grace)

    def remove(self, name: str) -> None:
        """Kill and remove the container. No error if it does not exist."""
        with engine_errors():
            try:
                self._api.remove_container(name, v=True, force=True)
            except NotFound:
                pass
            except APIError as error:
                if error.status_code != HTTPStatus.CONFLICT:  # conflict: its removal is in progress
                    raise

    def ours(self) -> list[OwnContainer]:
        """Return all containers of this instance, running or not."""
        with engine_errors():
            containers = self._api.containers(all=True, filters={"label": f"{INSTANCE}={self._instance}"})
        return [OwnContainer(name=each["Names"][0].lstrip("/"), labels=each["Labels"]) for each in containers]

    def _create(self, spec: ContainerSpec) -> str | None:
        return create(self._api, self._info, spec, instance=self._instance, default_uid=self._uid)

    def _recreate(self, spec: ContainerSpec) -> str:
        """Create a container and return its id. An old one with this name, from a dead worker, is removed."""
        container = self._create(spec)
        if container is None:
            self.remove(spec.name)
            container = self._create(spec)
        if container is None:
            raise SandboxFailed(f"Another container has the name {spec.name}.")
        return container
