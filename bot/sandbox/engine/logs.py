"""The log of an agent's container, read from the engine.

Each log has clients of its own. To end a stream, its socket is closed from another thread, and the library
would later use that socket for another request. Podman answers only when there is a first line, so a
separate thread makes that request.
"""

from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any

from docker import APIClient

from bot.sandbox.engine import podman
from bot.sandbox.engine.client import connect, engine_errors
from bot.sandbox.engine.streams import ContainerLog, Frames

_PATIENCE = 30 * 86400  # seconds to wait for an agent's first line


def log_of(url: str, info: Mapping[str, Any], name: str, *, skip: int) -> ContainerLog:
    """Return the log of a container from byte `skip` on. `url` is the engine's."""
    with ExitStack() as clients:
        api = _client(url, clients)
        if podman.speaks(info):
            patient = _client(url, clients)
            patient.timeout = _PATIENCE
            frames: Frames = podman.Later(lambda: _logs(patient, name, follow=True))
        else:
            frames = _logs(api, name, follow=True)
        release = clients.pop_all().close
    return ContainerLog(frames, lambda: _logs(api, name, follow=False), skip=skip, release=release)


def _client(url: str, clients: ExitStack) -> APIClient:
    """Return a new client, which is closed with the others of this log."""
    api = connect(url)
    clients.callback(api.close)
    return api


def _logs(api: APIClient, name: str, *, follow: bool) -> Frames:
    with engine_errors():
        return api.logs(name, stream=True, follow=follow)
