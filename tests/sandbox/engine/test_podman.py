"""Differences of Podman's service from Docker. `deploy/test --podman` runs the tests with Podman."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue

import pytest

from bot.domain.errors import EngineUnavailable
from bot.sandbox.engine.podman import Later, marks_no_oom, speaks, tmp_options
from bot.sandbox.engine.streams import Frames

DOCKER = {"CgroupVersion": "1", "ServerVersion": "20.10.24"}
PODMAN = {**DOCKER, "ServerVersion": "4.3.1", "BuildahVersion": "1.28.2"}


class QueuedStream:
    """A stream that returns the pieces from its queue until it is closed."""

    def __init__(self) -> None:
        self.pieces: SimpleQueue[bytes | None] = SimpleQueue()
        self.closed = threading.Event()

    def __next__(self) -> bytes:
        piece = self.pieces.get()
        if piece is None:
            raise StopIteration
        return piece

    def close(self) -> None:
        self.closed.set()
        self.pieces.put(None)


def after(there: threading.Event, stream: QueuedStream) -> Callable[[], Frames]:
    def ask() -> Frames:
        there.wait()
        return stream

    return ask


def test_podman_is_recognised_by_docker_info() -> None:
    assert (speaks(DOCKER), speaks(PODMAN)) == (False, True)
    assert (tmp_options(DOCKER, 7), tmp_options(PODMAN, 7)) == ("uid=7,gid=7", "mode=1777")
    assert [marks_no_oom(info) for info in (DOCKER, PODMAN, {**PODMAN, "CgroupVersion": "2"})] == [
        False,
        True,
        False,
    ]


def test_a_stream_is_read_as_soon_as_it_arrives() -> None:
    there, stream = threading.Event(), QueuedStream()
    later = Later(after(there, stream))
    stream.pieces.put(b"one")

    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(later.__next__)
        there.set()

        assert first.result(10) == b"one"
    later.close()
    with pytest.raises(StopIteration):
        next(later)


def test_a_stream_that_arrives_after_close_is_closed() -> None:
    there, stream, waiting = threading.Event(), QueuedStream(), threading.Event()
    later = Later(after(there, stream))

    def read() -> bytes:
        waiting.set()
        return next(later, b"nothing")

    with ThreadPoolExecutor(1) as pool:
        reader = pool.submit(read)
        waiting.wait(10)
        later.close()

        assert reader.result(10) == b"nothing"
    there.set()
    assert stream.closed.wait(10)


def test_a_stream_that_cannot_be_opened_ends() -> None:
    def refused() -> Frames:
        raise EngineUnavailable("It is away.")

    with pytest.raises(StopIteration):
        next(Later(refused))
