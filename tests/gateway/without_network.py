"""A program in a sandbox without a network, whose only way out is an open gateway socket."""

import uuid
from collections.abc import Sequence
from dataclasses import replace

from bot.agents.environment import environment
from bot.gateway.endpoint import FOLDER, URL, GatewayEndpoint, with_relay
from bot.sandbox.engine.containers import ContainerLimits, ContainerSpec, Engine, Mount
from tests.agents.starts import START
from tests.gateway.open_gateway import TOKEN, OpenAccess

TOLD = replace(START, endpoint=GatewayEndpoint(url=URL, token=TOKEN, providers=(), packages=True))


def output_in_a_sandbox(image: str, argv: Sequence[str], access: OpenAccess) -> list[str]:
    """Run the program with an agent's environment and return the lines it prints."""
    engine = Engine(url="", instance=f"test-{uuid.uuid4().hex[:12]}", uid=10001)
    name = f"forgehand-test-{uuid.uuid4().hex[:12]}"
    sandbox = ContainerSpec(
        name=name,
        image=image,
        argv=with_relay(argv),
        env=environment(TOLD),
        mounts=[Mount(source=access.folder, target=FOLDER)],
        limits=ContainerLimits(memory="1g", cpus=1, pids=256, disk=1 << 30),
        labels={},
        log_bytes=1 << 20,
    )
    try:
        engine.start(sandbox)
        return b"".join(engine.follow(name, 0)).decode().splitlines()
    finally:
        engine.remove(name)
