"""Number of deliveries a second that are safely on disk, compared with an endpoint that stores nothing.

`python tests/bench/intake.py`. Each server is a real process on uvicorn with httptools and uvloop;
the load comes from another process. The servers take turns in short rounds, so that other load on
the machine slows all of them equally.
"""

import argparse
import asyncio
import hashlib
import hmac
import json
import os
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import cast

import uvicorn
import uvloop
from sqlalchemy import func, select
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bot.forges.github.verifier import github_verifier
from bot.store.ledger import open_ledger
from bot.store.schema import deliveries
from bot.web import health, metrics
from bot.web import receiver as webhook
from bot.web.recorder import Intake
from bot.web.server import application, server
from tests.oracles.payloads import examples
from tests.support.services import running_postgres

SECRET = "sixteen characters at the least"
CONNECTIONS = 16
SIZE = 13_000  # bytes
_LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)


def payload() -> bytes:
    """Return a real `issue_comment` delivery from the examples, with its comment extended to reach 13 KB."""
    event = examples("issue_comment")[0]
    event["comment"]["body"] = "/run tidy the parser. " * 1_000
    surplus = len(json.dumps(event)) - SIZE
    event["comment"]["body"] = event["comment"]["body"][:-surplus]
    return json.dumps(event).encode()


def signature(body: bytes) -> str:
    return "sha256=" + hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()


def serve_bare(port: int) -> None:
    """Serve the baseline: verify the HMAC, store nothing."""

    async def hook(request: Request) -> Response:
        given = request.headers.get("x-hub-signature-256", "")
        is_valid = hmac.compare_digest(signature(await request.body()), given)
        return Response(status_code=202 if is_valid else 401)

    app = Starlette(routes=[Route("/webhooks/github", hook, methods=["POST"])])
    uvicorn.run(app, port=port, loop="uvloop", http="httptools", access_log=False, log_config=None)


def serve_ours(port: int, url: str) -> None:
    ledger = open_ledger(url)
    counts = metrics.make(ledger)
    intake = Intake(ledger, lambda forge, delivery: None)
    receiver = webhook.Receiver(
        verifier=github_verifier([SECRET]),
        body_cap=25_000_000,
        read_deadline=10,
        events=frozenset({"issue_comment"}),
    )
    routes = [*webhook.routes([receiver], intake, counts.answered), *health.routes(counts, {})]
    intake.start()
    server(application(routes), host="127.0.0.1", port=port).run()
    intake.stop()


class Sender(asyncio.Protocol):
    """A connection with exactly one delivery on its way at any time."""

    def __init__(self, body: bytes, end: float) -> None:
        self.end = end
        self.body = b"\r\n\r\n" + body
        self.head = (
            "POST /webhooks/github HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
            f"content-length: {len(body)}\r\nx-github-event: issue_comment\r\n"
            f"x-hub-signature-256: {signature(body)}\r\nx-github-delivery: "
        ).encode()
        self.answer = b""
        self.seconds: list[float] = []
        self.done = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's own class, which is not a subclass of asyncio.Transport
        self.transport = cast(asyncio.Transport, transport)
        self.send()

    def send(self) -> None:
        self.answer = b""
        self.begun = time.perf_counter()
        self.transport.write(self.head + str(uuid.uuid4()).encode() + self.body)

    def connection_lost(self, error: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(error or ConnectionResetError("the server hung up"))

    def data_received(self, data: bytes) -> None:
        self.answer += data
        head, ended, rest = self.answer.partition(b"\r\n\r\n")
        if not ended or len(rest) < int(_LENGTH.findall(head)[0]):
            return
        now = time.perf_counter()
        self.seconds.append(now - self.begun)
        if not head.startswith(b"HTTP/1.1 202"):
            self.done.set_exception(SystemExit(self.answer.decode()))
        elif now < self.end:
            self.send()
        else:
            self.transport.close()
            self.done.set_result(None)


async def load(port: int, seconds: float) -> list[float]:
    """Send for this many seconds on all connections; return the duration of each delivery, in seconds."""
    body, end = payload(), time.perf_counter() + seconds
    senders = [Sender(body, end) for _ in range(CONNECTIONS)]
    for sender in senders:
        await asyncio.get_running_loop().create_connection(partial(_this, sender), "127.0.0.1", port)
    await asyncio.gather(*(sender.done for sender in senders))
    return [taken for sender in senders for taken in sender.seconds]


def _this(sender: Sender) -> Sender:
    return sender


@dataclass
class Contender:
    """A server in its own process, and the results of its rounds."""

    name: str
    port: int
    pid: int
    rates: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    work: list[float] = field(default_factory=list)  # seconds of processor time per delivery

    def round(self, length: float) -> None:
        with tempfile.NamedTemporaryFile() as answer:
            command = [sys.executable, __file__, "load", str(self.port), str(length), answer.name]
            before = cpu(self.pid)
            subprocess.run(command, check=True)
            spent = cpu(self.pid) - before
            taken: list[float] = json.loads(answer.read())
        self.rates.append(len(taken) / length)
        self.seconds += taken
        self.work.append(spent / len(taken))


def cpu(pid: int) -> float:
    """Return the seconds of processor time that the process has used.

    This is steadier than a rate if other processes use the machine too.
    """
    times = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(times[11]) + int(times[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def serving(name: str, *arguments: str) -> Iterator[Contender]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    process = subprocess.Popen([sys.executable, __file__, "serve", str(port), *arguments])
    try:
        while process.poll() is None:
            with suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                break
            time.sleep(0.05)
        yield Contender(name, port, process.pid)
    finally:
        process.terminate()
        process.wait()


def compare(rounds: int, length: float) -> None:
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        postgresql = stack.enter_context(running_postgres()).migrated()
        bare = stack.enter_context(serving("bare, stores nothing"))
        urls = {"ours, SQLite": f"sqlite:///{folder}/ledger.db", "ours, PostgreSQL": postgresql}
        ours = [stack.enter_context(serving(name, url)) for name, url in urls.items()]
        for contender in [bare, *ours] * rounds:
            contender.round(length)
        say(
            f"{'':22}{'deliveries/s':>14}{'p50 ms':>9}{'p99 ms':>9}{'of bare':>9}{'CPU us':>9}{'on disk':>10}"
        )
        for contender, url in zip([bare, *ours], ["", *urls.values()], strict=True):
            rate = statistics.median(contender.rates)
            cuts = statistics.quantiles(contender.seconds, n=100)
            ratio = statistics.median(a / b for a, b in zip(contender.rates, bare.rates, strict=True))
            times = f"{cuts[49] * 1e3:9.1f}{cuts[98] * 1e3:9.1f}"
            work = statistics.median(contender.work) * 1e6
            on_disk = f"{count(url)}/{len(contender.seconds)}" if url else ""
            say(f"{contender.name:22}{rate:14.0f}{times}{ratio:9.2f}{work:9.0f}  {on_disk}")


def count(url: str) -> int:
    with open_ledger(url).read() as tx:
        return int(tx.execute(select(func.count()).select_from(deliveries)).scalar_one())


def say(line: str) -> None:
    sys.stdout.write(line + "\n")


def main() -> None:
    match sys.argv[1:]:
        case ["serve", port]:
            serve_bare(int(port))
        case ["serve", port, url]:
            serve_ours(int(port), url)
        case ["load", port, seconds, path]:
            Path(path).write_text(json.dumps(uvloop.run(load(int(port), float(seconds)))))
        case _:
            parser = argparse.ArgumentParser(description=__doc__)
            parser.add_argument("--rounds", type=int, default=5)
            parser.add_argument("--seconds", type=float, default=3.0, help="of each round")
            wanted = parser.parse_args()
            compare(wanted.rounds, wanted.seconds)


if __name__ == "__main__":
    main()
