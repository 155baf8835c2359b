"""The output of a container in the format of an engine, and its interruption."""

import itertools
import socket
import struct
import threading
import time
from contextlib import suppress

import pytest

from bot.domain.errors import SandboxFailed
from bot.domain.interrupt import uninterrupted, within
from bot.sandbox.engine.streams import ContainerLog, Frames, Stream


def frame(kind: int, content: bytes) -> bytes:
    return struct.pack(">BxxxL", kind, len(content)) + content


@pytest.mark.parametrize("cut", [0, 3, 8, 10])
def test_output_before_a_connection_failure_is_returned(cut: int) -> None:
    ours, engines = socket.socketpair()
    with ours, engines:
        engines.sendall(frame(2, b"oh") + frame(1, b"said") + frame(1, b"more")[:cut])
        engines.shutdown(socket.SHUT_WR)
        stream = Stream(ours, seconds=10)

        assert stream.read_exactly(100) == b"said" + b"more"[: max(0, cut - 8)]
        assert stream.error_text == "oh"


def test_a_check_that_raises_ends_the_wait_for_an_unresponsive_engine() -> None:
    ours, engines = socket.socketpair()
    with ours, engines:
        stream = Stream(ours, seconds=60, check=within(0.5))
        engines.sendall(frame(1, b"said") + frame(1, b"more")[:10])
        assert stream.read_exactly(4) == b"said"
        began = time.monotonic()

        with pytest.raises(TimeoutError):
            stream.read_exactly(4)

        assert time.monotonic() - began < 30


@pytest.mark.parametrize("kind", [1, 2], ids=["stdout", "stderr"])
def test_a_check_that_raises_ends_the_reading_of_endless_output(kind: int) -> None:
    ours, engines = socket.socketpair()
    flood = itertools.repeat(frame(kind, bytes(1 << 16)))

    def send() -> None:
        with suppress(OSError):  # the reader has closed its end
            for data in flood:
                engines.sendall(data)

    sender = threading.Thread(target=send)
    with engines:
        with ours:
            sender.start()
            with pytest.raises(TimeoutError):
                Stream(ours, seconds=60, check=within(0.5)).drain()
        sender.join()


def test_the_time_limit_also_applies_during_much_output() -> None:
    ours, engines = socket.socketpair()
    with ours, engines:
        engines.sendall(frame(2, b"oh") * 1000)

        with pytest.raises(SandboxFailed, match="within its time"):
            Stream(ours, seconds=0).drain()


FAILURE = b"Error grabbing logs: no such file or directory\n"


class Lines:
    """The frames of an engine's response, one for each line."""

    def __init__(self, *lines: bytes) -> None:
        self._lines = iter(lines)

    def __next__(self) -> bytes:
        return next(self._lines)

    def close(self) -> None:
        pass


@pytest.mark.parametrize(
    ("followed", "stored", "output"),
    [
        ([b"one\n", FAILURE], [b"one\n", b"two\n"], b"one\ntwo\n"),
        ([b"one\n", FAILURE], [b"one\n", FAILURE], b"one\n" + FAILURE),
        ([FAILURE, b"one\n"], [FAILURE, b"one\n"], FAILURE + b"one\n"),
    ],
    ids=["the engine's message", "the agent's last line", "a line among others of the agent"],
)
def test_a_message_of_the_engine_is_not_output_of_the_agent(
    followed: list[bytes], stored: list[bytes], output: bytes
) -> None:
    def replay() -> Frames:
        return Lines(*stored)

    assert b"".join(ContainerLog(Lines(*followed), replay, skip=0, release=uninterrupted)) == output
