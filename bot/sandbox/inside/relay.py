#!/usr/bin/env -S python3 -IS
"""The sandbox's end of the gateway: it leads what connects to 127.0.0.1:8787 to the socket mounted there.

One file that needs only Python's own library, because it is copied into images.
It goes to the background once its port is its own. A worker of the bot that
restarts takes the socket away for a while: new connections wait for it.
One process without threads, hence asyncio: each thread would count against
how many processes the sandbox may have.
"""

import asyncio
import os
import socket
import sys
import time
from asyncio import StreamReader, StreamWriter
from contextlib import suppress
from functools import partial

PORT = 8787
SOCKET = "/run/forgehand/gateway"
PATIENCE = 60.0  # seconds for the socket to come back
_PAUSE = 0.1  # seconds between two tries
_PIECE = 65536  # bytes
_LINGER = 2.0  # seconds for a client to come from its request to our answer
_NOBODY = (
    b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: text/plain\r\ncontent-length: 37\r\n"
    b"connection: close\r\n\r\nForgehand: the gateway is not there.\n"
)


async def lead(path: str, patience: float, reader: StreamReader, writer: StreamWriter) -> None:
    """Lead one connection to the gateway and back, until both sides have said all or one is gone."""
    with suppress(OSError):  # of this connection only
        try:
            back, forth = await gateway(path, patience)
        except OSError:
            await refuse(reader, writer)
        else:
            with suppress(OSError):
                await asyncio.gather(copy(reader, forth), copy(back, writer))
            forth.close()
    writer.close()


async def refuse(reader: StreamReader, writer: StreamWriter) -> None:
    """Say that nobody is there. What is still sent is read: to close over it would take the answer back."""
    writer.write(_NOBODY)
    writer.write_eof()
    end = time.monotonic() + _LINGER
    with suppress(asyncio.TimeoutError):
        while await asyncio.wait_for(reader.read(_PIECE), end - time.monotonic()):
            pass


async def gateway(path: str, patience: float) -> "tuple[StreamReader, StreamWriter]":
    """Connect to the socket, which may be away or busy for a while. Raises OSError where it stays so."""
    end = time.monotonic() + patience
    while True:
        try:
            return await connected(path)
        except OSError:
            if time.monotonic() > end:
                raise
        await asyncio.sleep(_PAUSE)


async def connected(path: str) -> "tuple[StreamReader, StreamWriter]":
    """Not connected by asyncio, which takes a socket whose queue is full for connected. Raises OSError."""
    sock = socket.socket(socket.AF_UNIX)
    sock.settimeout(0.0)
    try:
        sock.connect(path)
        return await asyncio.open_unix_connection(sock=sock)
    except OSError:
        sock.close()
        raise


async def copy(reader: StreamReader, writer: StreamWriter) -> None:
    """Each piece as it comes; the end is passed on too, while the other way goes on."""
    try:
        while data := await reader.read(_PIECE):
            writer.write(data)
            await writer.drain()
        writer.write_eof()
    except OSError:
        writer.close()  # nobody reads there: the other way ends as well
        raise


async def serve(listener: socket.socket, path: str = SOCKET, patience: float = PATIENCE) -> None:
    """Lead whatever connects to `listener` to the socket at `path`; wait `patience` seconds for it."""
    server = await asyncio.start_server(partial(lead, path, patience), sock=listener)
    await server.serve_forever()


def main() -> None:
    listener = socket.create_server(("127.0.0.1", PORT), backlog=128)
    if os.fork():
        sys.exit()  # whoever waited may connect now
    os.setsid()
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in range(3):
        os.dup2(nothing, descriptor)
    asyncio.run(serve(listener))


if __name__ == "__main__":
    main()
