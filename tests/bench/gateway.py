"""Delay that the gateway adds to a model's answer: relay and gateway compared with a direct connection.

    python -m tests.bench.gateway [rounds]

Target: 5 ms per streamed piece. Each piece carries its sending time. Client, gateway and provider
share one process here, and the relay has its own, as in a sandbox.
"""

import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from http.client import HTTPConnection
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bot.gateway.budget import Budget
from bot.gateway.run_gateway import Gateway
from bot.gateway.socket_server import SOCKET
from bot.store import tasks
from bot.store.data_folder import DataFolder
from bot.store.ledger import open_ledger
from tests.gateway.provider import ScriptedProvider, json_response, running, stream_response
from tests.gateway.sandbox_client import LINK_KEY, MESSAGE, MESSAGES, Asker, providers_at
from tests.support.rows import claimed

TARGET = 5.0  # milliseconds
ROUNDS = 100
PIECES = 50
_EVERY = 0.002  # seconds between two pieces
_RELAY = """
import asyncio, socket, sys
from bot.sandbox.inside import relay
asyncio.run(relay.serve(socket.socket(fileno=int(sys.argv[1])), sys.argv[2]))
"""


def stamps() -> Iterator[bytes]:
    for _ in range(PIECES):
        time.sleep(_EVERY)
        yield b"data: %020d\n\n" % time.perf_counter_ns()


def request(connection: HTTPConnection, asker: Asker, path: str) -> float:
    """Return the milliseconds from the question to the end of a short answer."""
    asker.provider.script.append(json_response({"usage": {"input_tokens": 1, "output_tokens": 1}}))
    began = time.perf_counter()
    connection.request("POST", path, body=MESSAGE, headers=asker.headers)
    connection.getresponse().read()
    return (time.perf_counter() - began) * 1000


def stream(connection: HTTPConnection, asker: Asker, path: str) -> list[float]:
    """Return the milliseconds between sending and receiving, for each piece of a stream."""
    asker.provider.script.append(stream_response(stamps()))
    connection.request("POST", path, body=MESSAGE, headers=asker.headers)
    response, took = connection.getresponse(), []
    while line := response.readline():
        if line.startswith(b"data:"):
            took.append((time.perf_counter_ns() - int(line[6:])) / 1e6)
    return took


@contextmanager
def relayed(path: Path) -> Iterator[int]:
    """Start a relay to this socket; return the port on which it listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port, descriptor = listener.getsockname()[1], listener.fileno()
        relay = subprocess.Popen(
            [sys.executable, "-c", _RELAY, str(descriptor), str(path)], pass_fds=[descriptor]
        )
    try:
        yield port
    finally:
        relay.kill()
        relay.wait()


@contextmanager
def asker_of(provider: ScriptedProvider, folder: Path) -> Iterator[Asker]:
    ledger = open_ledger(f"sqlite:///{folder}/ledger.sqlite3")
    with ledger.write() as tx:
        run = claimed(tx)
        task = tasks.get(tx, run.task)
    gateway = Gateway(
        data=DataFolder(folder),
        ledger=ledger,
        link_key=LINK_KEY,
        providers=providers_at(provider),
        budget=Budget(),
    )
    with gateway.open(run, task):
        yield Asker(gateway=gateway, run=run, task=task, provider=provider)
    ledger.close()


def main(rounds: int) -> None:
    requests: dict[str, list[float]] = {"direct": [], "gateway": []}
    pieces: dict[str, list[float]] = {"direct": [], "gateway": []}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        provider = stack.enter_context(running())
        asker = stack.enter_context(asker_of(provider, folder))
        port = stack.enter_context(relayed(asker.gateway.folder(asker.run.id) / SOCKET))
        direct = stack.enter_context(closing(HTTPConnection("127.0.0.1", provider.server_port)))
        through = stack.enter_context(closing(HTTPConnection("127.0.0.1", port)))
        ways = {"direct": (direct, "/v1/messages"), "gateway": (through, MESSAGES)}
        for _ in range(rounds):
            for name, (connection, path) in ways.items():
                requests[name].append(request(connection, asker, path))
                pieces[name] += stream(connection, asker, path)
    show("a request", requests)
    show("a piece", pieces)


def show(what: str, took: dict[str, list[float]]) -> None:
    table = Table(title=f"{what}, milliseconds")
    for column in ("", "median", "95 %", "99 %"):
        table.add_column(column, justify="right" if column else "left")
    for name, values in took.items():
        cuts = statistics.quantiles(values, n=100)
        table.add_row(name, *(f"{each:.2f}" for each in (cuts[49], cuts[94], cuts[98])))
    Console().print(table)
    added = statistics.median(took["gateway"]) - statistics.median(took["direct"])
    Console().print(f"added: {added:.2f} ms (target for a piece: {TARGET:g})")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS)
