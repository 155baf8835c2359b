"""Running one helper container and reading its output while it runs.

The bot attaches before the start: the engine keeps no log of a helper container, so
a later reader would miss output.
"""

import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from docker import APIClient
from docker.errors import NotFound

from bot.domain.errors import DiskFull, EngineUnavailable, ProcessKilled, SandboxFailed
from bot.domain.interrupt import Check, interruptible, uninterrupted
from bot.git.stderr import is_disk_full
from bot.sandbox.engine.client import engine_errors
from bot.sandbox.engine.container_state import KILLED, condition_of
from bot.sandbox.engine.streams import Stream

_STOPPED = 143  # exit status of a process ended by SIGTERM
_MEMORY = (
    "A helper container needed more memory than its limit; remove the largest files and folders that are not "
    "source."
)


@contextmanager
def running(
    api: APIClient,
    container: str,
    *,
    info: Mapping[str, Any],
    seconds: float,
    check: Check = uninterrupted,
) -> Iterator[Stream]:
    """Start a created container and yield its stdout while it runs.

    The end of the block waits for the container. Raises SandboxFailed, with the end of its stderr, unless
    it exits 0 within `seconds` of its start; DiskFull if its stderr says that the disk is full;
    EngineUnavailable if it was stopped by SIGTERM, for instance by an engine that shuts down; ProcessKilled
    if something else killed or removed it, or killed a process in it. `info` is `docker info`. `check` is
    called while the stream is read and during the wait.
    """
    with _attached(api, container) as connection:
        stream = Stream(connection, seconds=seconds, check=check)
        with engine_errors():
            api.start(container)
        yield stream
        stream.drain()
        # A container that has closed its output may still run without end.
        status = interruptible(lambda: _exit_status(api, container), stream.check_limits)
        if status == KILLED and not interruptible(lambda: _ran_out_of_memory(api, container, info), check):
            raise ProcessKilled("a helper container")
    if status == _STOPPED:
        raise EngineUnavailable("The container engine stopped a helper container.")
    if status == KILLED:
        raise SandboxFailed(f"{_MEMORY} {stream.error_text}".strip())
    if status and is_disk_full(stream.error_text):
        raise DiskFull
    if status:
        raise SandboxFailed(stream.error_text or f"A helper container ended with status {status}.")


def _exit_status(api: APIClient, container: str) -> int:
    """Return the exit status; that of a killed container if somebody has removed it."""
    with engine_errors():
        try:
            return int(api.wait(container)["StatusCode"])
        except NotFound:
            return KILLED


def _ran_out_of_memory(api: APIClient, container: str, info: Mapping[str, Any]) -> bool:
    with engine_errors():
        try:
            state = api.inspect_container(container)["State"]
        except NotFound:
            return False
    return condition_of(state, info).out_of_memory


@contextmanager
def _attached(api: APIClient, container: str) -> Iterator[socket.socket]:
    with engine_errors():
        raw = api.attach_socket(container)
    connection: socket.socket = getattr(raw, "_sock", raw)
    try:
        yield connection
    finally:
        connection.close()
        raw.close()
