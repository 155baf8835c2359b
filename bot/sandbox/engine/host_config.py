"""The mounts, limits and restrictions of a container: the only list of them."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from docker import APIClient
from docker.types import HostConfig, LogConfig, Ulimit
from docker.types import Mount as Bind

from bot.domain.core_dumps import NO_CORE_DUMPS
from bot.domain.errors import BadSettings
from bot.sandbox.engine import podman, seccomp

_TMP = "1g"  # of /tmp, which counts as the container's memory
_NOFILE = 16384  # engines refuse more than their own limit, 20000 on some machines
# limit -> key of `docker info` that tells whether the engine can enforce it. Podman uses the same keys.
_ENFORCED_IF = {"memory": "MemoryLimit", "swap": "SwapLimit", "pids": "PidsLimit", "cpus": "CpuCfsQuota"}
# Without these two limits one agent can use up the whole machine; without the others it is only slow.
_REQUIRED = ("memory", "pids")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mount:
    """A file or folder of the host, mounted in a container at `target`."""

    source: Path
    target: str
    writable: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerLimits:
    """The limits of a container. `memory` is in the engine's notation ("4g"); `cpus` 0 = all.

    `disk` is the limit of all written files together, in bytes. The engine enforces it only for each file;
    the bot watches their sum.
    """

    memory: str
    cpus: float
    pids: int
    disk: int


# Of a helper container, which reads files of an agent.
TOOL_LIMITS = ContainerLimits(memory="2g", cpus=2, pids=256, disk=8 << 30)


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerSpec:
    """A container. `log_bytes` is the limit of a run's log, which the engine stores whole; 0 = no log.

    `uid` is the user id of its processes; None = the engine's default one. `working_dir` "" = the image's.
    """

    name: str
    image: str
    argv: Sequence[str]
    env: Mapping[str, str] = field(default_factory=dict)
    mounts: Sequence[Mount]
    limits: ContainerLimits
    labels: Mapping[str, str] = field(default_factory=dict)
    log_bytes: int
    uid: int | None = None
    working_dir: str = "/workspace"


def unenforceable(info: Mapping[str, Any]) -> list[str]:
    """Return those of memory, swap, pids and cpus that the engine with this `docker info` cannot limit.

    Without root an engine can limit nothing on cgroup v1. Docker then reports that for each limit; Podman
    reports the abilities of the machine: https://docs.podman.io/en/stable/markdown/podman-run.1.html,
    --memory.
    """
    if "name=rootless" in (info["SecurityOptions"] or []) and info.get("CgroupVersion") == "1":
        return list(_ENFORCED_IF)
    return [limit for limit, key in _ENFORCED_IF.items() if not info.get(key)]


def refuse_unlimited(limits: Collection[str]) -> None:
    """Raise BadSettings if memory or pids are among the limits that the engine cannot enforce."""
    if missing := [limit for limit in _REQUIRED if limit in limits]:
        raise BadSettings(
            f"The container engine cannot limit {' and '.join(missing)}: one agent could use up the machine. "
            "Without root that needs cgroup v2, and systemd must delegate these controllers to the engine's "
            "user (see `docker info`). To run agents without these limits: [sandbox] allow_unlimited = true."
        )


def host_config(
    api: APIClient,
    *,
    uid: int,
    mounts: Sequence[Mount],
    limits: ContainerLimits,
    info: Mapping[str, Any],
    log: LogConfig,
) -> HostConfig:
    """Build the engine's description of mounts, limits and restrictions; `info` is its `docker info`."""
    return api.create_host_config(
        mounts=[
            Bind(mount.target, str(mount.source), type="bind", read_only=not mount.writable)
            for mount in mounts
        ],
        network_mode="none",
        cap_drop=["ALL"],
        security_opt=["no-new-privileges"],
        read_only=True,
        init=not seccomp.is_available(info),  # else the launcher is the init
        **_enforced(limits, info),
        ulimits=[
            Ulimit(name="nofile", soft=_NOFILE, hard=_NOFILE),
            Ulimit(name="core", soft=NO_CORE_DUMPS, hard=NO_CORE_DUMPS),
            Ulimit(name="fsize", soft=limits.disk, hard=limits.disk),
        ],
        tmpfs={"/tmp": f"exec,nosuid,nodev,{podman.tmp_options(info, uid)},size={_TMP}"},
        log_config=log,
    )


def _enforced(limits: ContainerLimits, info: Mapping[str, Any]) -> dict[str, Any]:
    """Return the limits it can enforce. With others, engines drop the limit or refuse the container.

    They also refuse more processors than their machine has, which may not be the bot's.
    """
    settings: dict[str, dict[str, Any]] = {
        "pids": {"pids_limit": limits.pids},
        "memory": {"mem_limit": limits.memory, "memswap_limit": limits.memory},
        "cpus": {"nano_cpus": int(min(limits.cpus, info["NCPU"]) * 1e9)},
    }
    without = unenforceable(info)
    return {
        key: value for limit, keys in settings.items() if limit not in without for key, value in keys.items()
    }
