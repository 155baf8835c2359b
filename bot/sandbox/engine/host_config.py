"""What a container is given, and what holds it: the one list of limits and refusals."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from docker import APIClient
from docker.types import HostConfig, LogConfig, Ulimit
from docker.types import Mount as Bind

from bot.domain.errors import BadSettings
from bot.sandbox.engine import podman

_TMP = "1g"  # of /tmp, which counts as the container's memory
_NOFILE = 16384  # engines refuse more than their own limit, 20000 on some machines
# limit -> how `docker info` says that this engine can hold it. Podman gives the same names.
_HELD_BY = {"memory": "MemoryLimit", "swap": "SwapLimit", "pids": "PidsLimit", "cpus": "CpuCfsQuota"}
# Without these two one agent can take the whole machine; the other two only make it slow.
_MUST = ("memory", "pids")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mount:
    """A folder of the host, seen in a container as `target`."""

    source: Path
    target: str
    writable: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerLimits:
    """What a container may use. `memory` in the engine's notation ("4g"); `cpus` 0 = all there are.

    `disk` is bytes of all it writes. The engine holds but each file to that; their sum is watched.
    """

    memory: str
    cpus: float
    pids: int
    disk: int


TOOL_LIMITS = ContainerLimits(memory="2g", cpus=0, pids=256, disk=8 << 30)  # of a container of ours


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerSpec:
    """An agent's container. `log_bytes` is the limit of the run's log, all of which the engine keeps."""

    name: str
    image: str
    argv: Sequence[str]
    env: Mapping[str, str]
    mounts: Sequence[Mount]
    limits: ContainerLimits
    labels: Mapping[str, str]
    log_bytes: int


def unenforceable(info: Mapping[str, Any]) -> list[str]:
    """Return what the engine of this `docker info` cannot limit, of memory, swap, pids and cpus.

    Without root an engine can limit nothing on cgroup v1. Docker then says so of each limit, but Podman
    says what the machine could do: https://docs.podman.io/en/stable/markdown/podman-run.1.html, --memory.
    """
    if "name=rootless" in (info["SecurityOptions"] or []) and info.get("CgroupVersion") == "1":
        return list(_HELD_BY)
    return [limit for limit, key in _HELD_BY.items() if not info.get(key)]


def refuse_unlimited(limits: Collection[str]) -> None:
    """Raise BadSettings where memory or pids are among what the engine cannot limit."""
    if lacking := [limit for limit in _MUST if limit in limits]:
        raise BadSettings(
            f"The container engine cannot limit {' and '.join(lacking)}: one agent could take all there is. "
            "Without root an engine can on cgroup v2, where systemd delegates these controllers to its user "
            "(`docker info` tells). To run agents without these limits: [sandbox] allow_unlimited = true."
        )


def host_config(
    api: APIClient,
    *,
    uid: int,
    mounts: Sequence[Mount],
    limits: ContainerLimits,
    info: Mapping[str, Any],
    log: LogConfig,
    runtime: str,
) -> HostConfig:
    """Return the engine's description of them all; `info` is its `docker info`."""
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
        **_held(limits, info),
        ulimits=[
            Ulimit(name="nofile", soft=_NOFILE, hard=_NOFILE),
            Ulimit(name="core", soft=0, hard=0),
            Ulimit(name="fsize", soft=limits.disk, hard=limits.disk),
        ],
        tmpfs={"/tmp": f"exec,nosuid,nodev,{podman.tmp_options(info, uid)},size={_TMP}"},
        log_config=log,
        runtime=runtime or None,
    )


def _held(limits: ContainerLimits, info: Mapping[str, Any]) -> dict[str, Any]:
    """Those it can hold. For the others engines drop the limit or refuse the container."""
    asked: dict[str, dict[str, Any]] = {
        "pids": {"pids_limit": limits.pids},
        "memory": {"mem_limit": limits.memory, "memswap_limit": limits.memory},
        "cpus": {"nano_cpus": int(limits.cpus * 1e9)},
    }
    without = unenforceable(info)
    return {
        key: value for limit, keys in asked.items() if limit not in without for key, value in keys.items()
    }
