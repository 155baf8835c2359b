#!/usr/bin/env -S python3 -IS
"""The gateway's relay in a sandbox: it forwards connections on 127.0.0.1:8787 to the mounted socket.

It is one file that needs only Python's standard library, because it is copied into
images. It continues in the background as soon as it listens. While a worker of the bot
restarts the socket is missing for a while, and new connections wait for it.
It is one process without threads, hence asyncio: each thread would count against the
sandbox's limit of processes.
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
_PAUSE = 0.1  # seconds between two attempts
_PIECE = 65536  # bytes
_LINGER = 2.0  # seconds in which a client can finish its request and read the response
_NOBODY = (
    b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: text/plain\r\ncontent-length: 37\r\n"
    b"connection: close\r\n\r\nForgehand: the gateway is not there.\n"
)


async def lead(path: str, patience: float, reader: StreamReader, writer: StreamWriter) -> None:
    """Forward one connection in both directions, until both sides have ended or one has failed."""
    with suppress(OSError):  # an error of this connection only
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
    """Respond that the gateway is unavailable.

    The rest of the request is read first: closing before that would reset the connection, and the client
    would lose the response.
    """
    writer.write(_NOBODY)
    writer.write_eof()
    end = time.monotonic() + _LINGER
    with suppress(asyncio.TimeoutError):
        while await asyncio.wait_for(reader.read(_PIECE), end - time.monotonic()):
            pass


async def gateway(path: str, patience: float) -> "tuple[StreamReader, StreamWriter]":
    """Connect to the socket, which may be missing or busy for a while. Raises OSError after `patience`."""
    end = time.monotonic() + patience
    while True:
        try:
            return await connected(path)
        except OSError:
            if time.monotonic() > end:
                raise
        await asyncio.sleep(_PAUSE)


async def connected(path: str) -> "tuple[StreamReader, StreamWriter]":
    """Connect without asyncio, which treats a socket with a full queue as connected. Raises OSError."""
    sock = socket.socket(socket.AF_UNIX)
    sock.settimeout(0.0)
    try:
        sock.connect(path)
        return await asyncio.open_unix_connection(sock=sock)
    except OSError:
        sock.close()
        raise


async def copy(reader: StreamReader, writer: StreamWriter) -> None:
    """Copy each piece when it arrives, and the end; the other direction continues after that."""
    try:
        while data := await reader.read(_PIECE):
            writer.write(data)
            await writer.drain()
        writer.write_eof()
    except OSError:
        writer.close()  # the receiver is gone, so the other direction ends as well
        raise


async def serve(listener: socket.socket, path: str = SOCKET, patience: float = PATIENCE) -> None:
    """Forward connections on `listener` to the socket at `path`; wait `patience` seconds for it."""
    server = await asyncio.start_server(partial(lead, path, patience), sock=listener)
    await server.serve_forever()


def main() -> None:
    """Listen, then serve in the background."""
    listener = socket.create_server(("127.0.0.1", PORT), backlog=128)
    if os.fork():
        sys.exit()  # the caller may connect from now on
    os.setsid()
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in range(3):
        os.dup2(nothing, descriptor)
    asyncio.run(serve(listener))


if __name__ == "__main__":
    main()
