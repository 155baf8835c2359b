#!/usr/bin/env -S python3 -IS
"""The sandbox's end of the gateway: it leads what connects to 127.0.0.1:8787 to the socket mounted there.

One file that needs only Python's own library, because it is copied into images.
It goes to the background once its port is its own. A worker of the bot that
restarts takes the socket away for a while: new connections wait for it.
"""

import asyncio
import os
import socket
import sys
import time
from asyncio import StreamReader, StreamWriter
from contextlib import suppress

PORT = 8787
SOCKET = "/run/forgehand/gateway"
PATIENCE = 60.0  # seconds for the socket to come back
_PAUSE = 0.1  # seconds between two tries
_PIECE = 65536  # bytes
_NOBODY = (
    b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: text/plain\r\ncontent-length: 37\r\n"
    b"connection: close\r\n\r\nForgehand: the gateway is not there.\n"
)


async def lead(reader: StreamReader, writer: StreamWriter) -> None:
    """Lead one connection to the gateway and back, until both sides have said all or one is gone."""
    with suppress(OSError):  # of this connection only
        try:
            back, forth = await gateway()
        except OSError:
            writer.write(_NOBODY)
            await writer.drain()
        else:
            with suppress(OSError):
                await asyncio.gather(copy(reader, forth), copy(back, writer))
            forth.close()
    writer.close()


async def gateway() -> "tuple[StreamReader, StreamWriter]":
    """Connect to the socket, which may be away for a while. Raises OSError where it stays away."""
    end = time.monotonic() + PATIENCE
    while True:
        try:
            return await asyncio.open_unix_connection(SOCKET)
        except OSError:
            if time.monotonic() > end:
                raise
        await asyncio.sleep(_PAUSE)


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


async def serve(listener: socket.socket) -> None:
    server = await asyncio.start_server(lead, sock=listener)
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
