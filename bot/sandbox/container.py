"""The container engine, as far as the bot uses it.

Every container is made here, so that none can be made without the whole list of
restraints: no network, no capabilities, a read-only root, limits on memory,
processes and files.
"""

import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from http import HTTPStatus
from pathlib import Path
from typing import Any

import requests
import urllib3
from docker import APIClient
from docker.errors import APIError, DockerException, ImageNotFound, NotFound
from docker.types import LogConfig, Ulimit
from docker.types import Mount as Bind
from docker.utils import kwargs_from_env

from bot.errors import BadSettings, EngineUnavailable, SandboxFailed
from bot.sandbox.stream import Log, Stream, cleaned

LABEL = "forgehand"
INSTANCE = "forgehand.instance"

WORKSPACE = "/workspace"

_TMP = "1g"  # of /tmp, which counts as the container's memory
_NOFILE = 65536
_FSIZE = 8 << 30  # bytes a single file may have
_STOP_TIMEOUT = 3  # seconds between SIGTERM and SIGKILL
_MAX_OUTPUT = 1 << 20  # bytes of stdout `tool` returns

# The engine stores a line of output as a JSON object with stream and time. Eight times the run's limit
# holds every log of lines longer than a dozen bytes; past that the engine drops the oldest.
_LOG_OVERHEAD = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Mount:
    """A folder of the host, seen in a container as `target`."""

    source: Path
    target: str
    writable: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a container may use. `memory` in the engine's notation ("4g"); `cpus` 0 = all there are."""

    memory: str
    cpus: float
    pids: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Sandbox:
    """An agent's container. `log_bytes` is the limit of the run's log, all of which the engine keeps."""

    name: str
    image: str
    argv: Sequence[str]
    env: Mapping[str, str]
    mounts: Sequence[Mount]
    limits: Limits
    labels: Mapping[str, str]
    log_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """How a container is. `exit_status` is None while it runs, and if it never started."""

    running: bool
    exit_status: int | None
    out_of_memory: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A container of this instance, running or not."""

    name: str
    labels: Mapping[str, str]


_TOOL_LIMITS = Limits(memory="2g", cpus=0, pids=256)


class Engine:
    """One container engine, used by one instance of the bot.

    Every call raises EngineUnavailable where the engine does not answer (worth a retry), SandboxFailed
    where it answers that it will not, BadSettings where an operator must change something.
    """

    def __init__(self, *, url: str, instance: str, uid: int, runtime: str = "") -> None:
        self._url = url  # "" = DOCKER_HOST, else the default socket
        self._instance = instance
        self._uid = uid
        self._runtime = runtime

    @cached_property
    def _api(self) -> APIClient:
        with _errors():
            return APIClient(base_url=self._url) if self._url else APIClient(**kwargs_from_env())

    def check(self) -> None:
        """Look whether the engine answers and has the runtime that was named."""
        api = self._api
        with _errors():
            runtimes = api.info()["Runtimes"]
        if self._runtime and self._runtime not in runtimes:
            raise BadSettings(
                f"The container engine has no runtime {self._runtime!r}; it has {', '.join(sorted(runtimes))}."
            )

    def require_image(self, name: str) -> None:
        """Raise BadSettings if the image is not there. It is never pulled."""
        api = self._api
        with _errors():
            api.inspect_image(name)

    def tool(
        self, *, name: str, image: str, script: str, args: Sequence[str], mounts: Sequence[Mount], seconds: float
    ) -> bytes:
        """Run a shell script to its end in a container and return its stdout; raises as `tool_stream`."""
        with self.tool_stream(
            name=name, image=image, script=script, args=args, mounts=mounts, seconds=seconds
        ) as stream:
            output = stream.read_exactly(_MAX_OUTPUT + 1)
            if len(output) > _MAX_OUTPUT:
                raise SandboxFailed("A container of ours printed more than it may.")
        return output

    @contextmanager
    def tool_stream(
        self, *, name: str, image: str, script: str, args: Sequence[str], mounts: Sequence[Mount], seconds: float
    ) -> Iterator[Stream]:
        """Run a shell script in a container and hand out its stdout while it runs.

        Leaving the block waits for the end: SandboxFailed, with the last of its stderr, unless it exits 0
        within `seconds` of its start. Leaving it by an exception kills the container.
        """
        config = {
            "name": name,
            "image": image,
            "entrypoint": ["sh", "-c", script, "sh", *args],
            "host_config": self._host_config(mounts, _TOOL_LIMITS, LogConfig(type=LogConfig.types.NONE)),
        }
        container = self._create(config)
        if container is None:  # left by a worker that died
            self.remove(name)
            container = self._create(config)
        ...

    def start(self, sandbox: Sandbox) -> None:
        """Start it and return. A container of that name that was started before is left as it is."""
