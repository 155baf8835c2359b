"""A step of a run that hangs: its container or its remote, its agent, and a limit for a cancel."""

import socket

from bot.domain.task import Run
from tests.support.worker_bench import Workshop

# Seconds. A cancel takes effect within five; the rest allows for a busy machine. A step that hangs here
# hangs for five minutes.
SOON = 30.0
WORK = "echo 1 > one; git add one; git commit -qm one; echo 2 > two"


def is_hanging(shop: Workshop, run: Run, helper: str) -> bool:
    """Return whether the run's container with this name is running."""
    condition = shop.runtime.engine.condition(f"forgehand-{run.id}-{run.epoch}-{helper}")
    return condition is not None and condition.running


def address(server: socket.socket) -> str:
    return f"http://127.0.0.1:{server.getsockname()[1]}/anvil"
