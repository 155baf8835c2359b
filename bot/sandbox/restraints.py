"""What a container is given, and what holds it: the one list of limits and refusals."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from docker import APIClient
from docker.types import HostConfig, LogConfig, Ulimit
from docker.types import Mount as Bind

_TMP = "1g"  # of /tmp, which counts as the container's memory
_NOFILE = 16384  # engines refuse more than their own limit, 20000 on some machines


@dataclass(frozen=True, slots=True, kw_only=True)
class Mount:
    """A folder of the host, seen in a container as `target`."""

    source: Path
    target: str
    writable: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a container may use. `memory` in the engine's notation ("4g"); `cpus` 0 = all there are.

    `disk` is bytes of all it writes. The engine holds but each file to that; their sum is watched.
    """

    memory: str
    cpus: float
    pids: int
    disk: int


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


def host_config(
    api: APIClient, *, uid: int, mounts: Sequence[Mount], limits: Limits, log: LogConfig, runtime: str
) -> HostConfig:
    """Return the engine's description of them all."""
    return api.create_host_config(
        mounts=[
            Bind(mount.target, str(mount.source), type="bind", read_only=not mount.writable)
            for mount in mounts
        ],
        network_mode="none",
        cap_drop=["ALL"],
        security_opt=["no-new-privileges"],
        read_only=True,
        init=True,
        pids_limit=limits.pids,
        mem_limit=limits.memory,
        memswap_limit=limits.memory,
        nano_cpus=int(limits.cpus * 1e9),
        ulimits=[
            Ulimit(name="nofile", soft=_NOFILE, hard=_NOFILE),
            Ulimit(name="core", soft=0, hard=0),
            Ulimit(name="fsize", soft=limits.disk, hard=limits.disk),
        ],
        # mode=1777 is ignored by engine 20.10, hence uid and gid
        tmpfs={"/tmp": f"exec,nosuid,nodev,uid={uid},gid={uid},size={_TMP}"},
        log_config=log,
        runtime=runtime or None,
    )
