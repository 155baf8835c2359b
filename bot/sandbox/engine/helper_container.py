"""One container of ours run to its end, its output read while it runs.

It is attached to before it starts: an engine that does not log it has nothing to
tell to whoever comes later.
"""

import socket
from collections.abc import Iterator
from contextlib import contextmanager

from docker import APIClient

from bot.domain.errors import EngineUnavailable, SandboxFailed
from bot.domain.interrupt import Check, interruptible, uninterrupted
from bot.sandbox.engine.client import engine_errors
from bot.sandbox.engine.streams import Stream

_STOPPED = 143  # exit status of a process ended by SIGTERM


@contextmanager
def to_its_end(
    api: APIClient, container: str, *, seconds: float, check: Check = uninterrupted
) -> Iterator[Stream]:
    """Start a container that was made, and hand out its stdout while it runs.

    Leaving the block waits for the end: SandboxFailed, with the last of its stderr, unless it exits 0
    within `seconds` of its start. EngineUnavailable where it was stopped, as by an engine that goes down.
    `check` is called while the stream is read, and while the end is waited for.
    """
    with _attached(api, container) as connection:
        stream = Stream(connection, seconds=seconds, check=check)
        with engine_errors():
            api.start(container)
        yield stream
        stream.drain()
        # A container that has closed its output may go on for as long as it likes.
        status = interruptible(lambda: _exit_status(api, container), stream.must_go_on)
    if status == _STOPPED:
        raise EngineUnavailable("The container engine stopped a container of ours.")
    if status:
        raise SandboxFailed(stream.complaint or f"A container of ours ended with {status}.")


def _exit_status(api: APIClient, container: str) -> int:
    with engine_errors():
        return int(api.wait(container)["StatusCode"])


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
