"""Limits that an engine cannot enforce are found before a container starts, and are not requested.

Not every machine has such an engine, so here a server answers like one, according to
https://docs.docker.com/reference/api/engine/version/v1.41/.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from bot.domain.errors import BadSettings
from bot.sandbox.engine.containers import ContainerSpec, Engine
from tests.sandbox.engine.test_containers import a_sandbox
from tests.support.scripted_server import Response, Server

LIMITS = ("MemoryLimit", "SwapLimit", "PidsLimit", "CpuCfsQuota")
DOCKER = {
    "SecurityOptions": ["name=seccomp,profile=default"],
    "CgroupVersion": "2",
    "NCPU": 4,
    **dict.fromkeys(LIMITS, True),
}
ROOTLESS = ["name=seccomp,profile=default", "name=rootless"]
DOCKER_WITHOUT_CGROUPS = {
    **DOCKER,
    "SecurityOptions": ROOTLESS,
    "CgroupDriver": "none",
    "CgroupVersion": "1",
    **dict.fromkeys(LIMITS, False),
}
# It reports the limits that root could enforce.
PODMAN_WITHOUT_ROOT = {**DOCKER, "SecurityOptions": ROOTLESS, "CgroupVersion": "1"}


@pytest.fixture
def server() -> Iterator[Server]:
    with Server.running() as server:
        yield server


def an_engine(server: Server, info: dict[str, Any], *, allow_unlimited: bool = False) -> Engine:
    server.script += [Response(200, {"ApiVersion": "1.41"}), Response(200, info)]
    url = f"tcp://127.0.0.1:{server.server_port}"
    return Engine(url=url, instance="test", uid=10001, allow_unlimited=allow_unlimited)


def asked_of(server: Server, engine: Engine, sandbox: ContainerSpec | None = None) -> dict[str, Any]:
    """Return the HostConfig of a sandbox's container."""
    server.script += [Response(201, {"Id": "c1", "Warnings": []}), Response(204)]
    engine.start(sandbox or a_sandbox("any", "true"))
    [(_, _, given)] = [asked for asked in server.asked if "/containers/create?" in asked[1]]
    return dict(given["HostConfig"])


@pytest.mark.parametrize(
    ("lacks", "named"),
    [
        ({"MemoryLimit": False}, "memory"),
        ({"PidsLimit": False}, "pids"),
        (DOCKER_WITHOUT_CGROUPS, "memory and pids"),
        (PODMAN_WITHOUT_ROOT, "memory and pids"),
    ],
)
def test_an_engine_that_cannot_limit_memory_or_pids_is_refused_with_the_reason(
    server: Server, lacks: dict[str, Any], named: str
) -> None:
    engine = an_engine(server, {**DOCKER, **lacks})

    with pytest.raises(BadSettings, match=rf"cannot limit {named}: .*\[sandbox\] allow_unlimited = true"):
        engine.check()


@pytest.mark.parametrize("info", [DOCKER_WITHOUT_CGROUPS, PODMAN_WITHOUT_ROOT])
def test_unenforceable_limits_are_not_requested_with_allow_unlimited(
    server: Server, info: dict[str, Any]
) -> None:
    engine = an_engine(server, info, allow_unlimited=True)

    assert engine.check() == ["memory", "swap", "pids", "cpus"]

    asked = asked_of(server, engine)
    assert not {"Memory", "MemorySwap", "PidsLimit", "NanoCpus"} & set(asked)
    assert asked["CapDrop"] == ["ALL"]
    assert {each["Name"] for each in asked["Ulimits"]} == {"nofile", "core", "fsize"}


def test_no_more_processors_are_requested_than_the_engine_has(server: Server) -> None:
    engine = an_engine(server, DOCKER)
    sandbox = a_sandbox("any", "true")
    limits = replace(sandbox.limits, cpus=6.5)

    assert asked_of(server, engine, replace(sandbox, limits=limits))["NanoCpus"] == 4_000_000_000


@pytest.mark.parametrize(("info", "init"), [(DOCKER, False), ({**DOCKER, "SecurityOptions": []}, True)])
def test_the_engine_adds_its_init_only_where_there_is_no_launcher(
    server: Server, info: dict[str, Any], *, init: bool
) -> None:
    assert asked_of(server, an_engine(server, info))["Init"] is init


@pytest.mark.parametrize("lacks", [{"SecurityOptions": ["name=cgroupns"]}, {"Architecture": "riscv64"}])
def test_an_engine_without_seccomp_filters_is_refused(server: Server, lacks: dict[str, Any]) -> None:
    with pytest.raises(BadSettings, match=r"no seccomp filters.*\[sandbox\] allow_unlimited = true"):
        an_engine(server, {**DOCKER, **lacks}).check()

    assert an_engine(server, {**DOCKER, **lacks}, allow_unlimited=True).check() == []


def test_unlimited_swap_and_processors_are_reported_and_accepted(server: Server) -> None:
    engine = an_engine(server, {**DOCKER, "SwapLimit": False, "CpuCfsQuota": False})

    assert engine.check() == ["swap", "cpus"]

    asked = asked_of(server, engine)
    assert "NanoCpus" not in asked
    assert (asked["Memory"], asked["PidsLimit"]) == (256 << 20, 64)


def test_rootless_docker_with_cgroups_can_enforce_limits(server: Server) -> None:
    engine = an_engine(server, {**DOCKER, "SecurityOptions": ROOTLESS})

    assert engine.check() == []

    assert asked_of(server, engine)["NanoCpus"] == 10**9


def test_the_local_engine_enforces_the_required_limits(engine: Engine) -> None:
    assert set(engine.check()) <= {"swap", "cpus"}
