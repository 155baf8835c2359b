"""What an engine sends of a container's output, and where it may be cut off."""

import socket
import struct

import pytest

from bot.sandbox.stream import Stream


def frame(kind: int, content: bytes) -> bytes:
    return struct.pack(">BxxxL", kind, len(content)) + content


@pytest.mark.parametrize("cut", [0, 3, 8, 10])
def test_an_engine_that_goes_away_within_a_frame_has_said_what_it_has_said(cut: int) -> None:
    ours, engines = socket.socketpair()
    with ours, engines:
        engines.sendall(frame(2, b"oh") + frame(1, b"said") + frame(1, b"more")[:cut])
        engines.shutdown(socket.SHUT_WR)
        stream = Stream(ours, seconds=10)

        assert stream.read_exactly(100) == b"said" + b"more"[: max(0, cut - 8)]
        assert stream.complaint == "oh"
