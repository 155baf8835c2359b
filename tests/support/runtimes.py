"""A Runtime for tests of comments and reports: a ledger and a forge, and an engine that is never called."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from bot.agents.command_line import CommandLineAgent
from bot.domain.nudges import Nudges
from bot.domain.task import Identity
from bot.forges.forge import Forge
from bot.gateway.budget import Budget
from bot.gateway.run_gateway import Gateway
from bot.runs.run_limits import RunLimits
from bot.runs.runtime import Runtime
from bot.sandbox.engine.containers import ContainerLimits, Engine
from bot.store.data_folder import DataFolder
from bot.store.ledger import Ledger
from tests.support.rows import a_worker

TOKEN = "s3cr3t+token/of~the_bot"


def with_gateway(runtime: Runtime, **changes: Any) -> Runtime:
    """Return the runtime with these attributes of its gateway changed."""
    gateway = runtime.gateway
    assert isinstance(gateway, Gateway)
    return replace(runtime, gateway=replace(gateway, **changes))


def a_runtime(ledger: Ledger, forge: Forge, *, nudged: list[str] | None = None) -> Runtime:
    """Make the runtime of worker w1 on host h1, with token TOKEN. Nudges for reports go to `nudged`."""
    received = [] if nudged is None else nudged
    return Runtime(
        ledger=ledger,
        forges={forge.name: forge},
        engine=Engine(url="", instance="nowhere", uid=10001),
        data=DataFolder(Path("/nowhere")),
        worker=a_worker(),
        agents={"demo": CommandLineAgent(["true"])},
        gateway=Gateway(
            data=DataFolder(Path("/nowhere")),
            ledger=ledger,
            link_key=b"k" * 32,
            providers={},
            budget=Budget(),
        ),
        image="none",
        tools_image="none",
        limits=RunLimits(ContainerLimits(memory="1g", cpus=1, pids=64, disk=1 << 30), idle=60),
        repository_limits={},
        log_bytes=1 << 20,
        identity=Identity(name="forgehand", email="forgehand@example.org"),
        result_labels={},
        free_space=0,
        public_url="https://bot.example.org",
        link_key=b"k" * 32,
        secrets=[TOKEN],
        nudges=Nudges(answer=lambda _forge, _id: None, work=lambda: None, report=received.append),
    )
