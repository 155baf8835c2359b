"""The log of an agent's container, read from the engine.

Podman answers only when there is a first line, so a separate thread makes that request.
"""

from collections.abc import Mapping
from typing import Any

from docker import APIClient

from bot.sandbox.engine import podman
from bot.sandbox.engine.client import connect, engine_errors
from bot.sandbox.engine.streams import ContainerLog, Frames

_PATIENCE = 30 * 86400  # seconds to wait for an agent's first line


def log_of(api: APIClient, url: str, info: Mapping[str, Any], name: str, *, skip: int) -> ContainerLog:
    """Return the log of a container from byte `skip` on. `url` is the engine's, for a second client."""
    if podman.speaks(info):
        patient = connect(url)
        patient.timeout = _PATIENCE
        frames: Frames = podman.Later(lambda: _logs(patient, name, follow=True))
    else:
        frames = _logs(api, name, follow=True)
    return ContainerLog(frames, lambda: _logs(api, name, follow=False), skip=skip)


def _logs(api: APIClient, name: str, *, follow: bool) -> Frames:
    with engine_errors():
        return api.logs(name, stream=True, follow=follow)
