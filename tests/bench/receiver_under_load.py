"""Latency of honest deliveries beside senders that try to use up the receiver.

    python -m tests.bench.receiver_under_load [seconds]

Beside the honest deliveries, first nothing happens, and then everything at once: pipelined requests whose
answers are not read, unsigned bodies of 24 MiB, heads of 100 KB, signed bodies of 12 MB full of small values,
and small bodies that never end. The floor is the latency without them, in the same run.
"""

import multiprocessing
import os
import socket
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from itertools import count

from bot.store.ledger import open_ledger
from bot.store.migrations.upgrade import migrate
from tests.support import http
from tests.support.served_receiver import ServedReceiver, served
from tests.support.webhook_receiver import BODY, GITHUB, signature

MIB = 1 << 20
PATH = f"/webhooks/{GITHUB.sender.forge}"
PAUSE = 0.02  # seconds between two honest deliveries
Address = tuple[str, int]


def head(length: int, proof: str) -> bytes:
    headers = GITHUB.headers(BODY, proof=proof, id=f"load-{time.monotonic_ns()}")
    lines = [f"POST {PATH} HTTP/1.1", "host: h", f"content-length: {length}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode()


def pipeline(connection: socket.socket) -> None:
    connection.sendall(f"GET {PATH} HTTP/1.1\r\nhost: h\r\n\r\n".encode() * 5_000)


def unsigned(connection: socket.socket) -> None:
    connection.sendall(head(24 * MIB, "sha256=" + "0" * 64) + b"x" * 24 * MIB)
    connection.recv(1000)


def long_head(connection: socket.socket) -> None:
    connection.sendall(f"GET {PATH} HTTP/1.1\r\nx: {'y' * 100_000}\r\n\r\n".encode())
    connection.recv(1000)


SMALL_VALUES = b'{"a": [' + b"{}," * 4_000_000 + b"{}]}"
SIGNED = signature(SMALL_VALUES)


def signed(connection: socket.socket) -> None:
    connection.sendall(head(len(SMALL_VALUES), SIGNED) + SMALL_VALUES)
    connection.recv(1000)


def endless(connection: socket.socket) -> None:
    connection.sendall(head(1000, "sha256=" + "0" * 64) + b"{")
    time.sleep(1)


LOADS = {pipeline: 2, unsigned: 4, long_head: 2, signed: 1, endless: 400}  # and the number of connections


def attack(address: Address, load: Callable[[socket.socket], None], connections: int) -> None:
    """Open this many connections at once, again and again, until the process is killed."""
    os.nice(19)  # the work of senders is not the machine's, but here they share its processors

    def repeat(_: int) -> None:
        while True:
            with suppress(OSError), socket.create_connection(address, timeout=20) as connection:
                load(connection)

    with ThreadPoolExecutor(connections) as threads:
        list(threads.map(repeat, range(connections)))


@contextmanager
def attacked(address: Address) -> Iterator[None]:
    attackers = [
        multiprocessing.Process(target=attack, args=[address, load, connections], daemon=True)
        for load, connections in LOADS.items()
    ]
    for attacker in attackers:
        attacker.start()
    try:
        yield
    finally:
        for attacker in attackers:
            attacker.kill()


def latencies(receiver: ServedReceiver, seconds: float, numbers: Iterator[int]) -> list[float]:
    """Send honest deliveries one after the other; return the seconds that each took. None may be refused."""
    host, port = receiver.address
    taken, end = [], time.monotonic() + seconds
    while time.monotonic() < end:
        began = time.perf_counter()
        headers = GITHUB.headers(BODY, id=f"honest-{next(numbers)}")
        answer = http.post(f"http://{host}:{port}{PATH}", content=BODY, headers=headers)
        taken.append(time.perf_counter() - began)
        if answer.status_code != 202:
            raise SystemExit(f"refused: {answer.status_code} {answer.text}")
        time.sleep(PAUSE)
    return taken


def main(seconds: float = 20.0) -> None:
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/ledger.db"
        migrate(open_ledger(url).engine)
        with served(url) as receiver:
            numbers = count()
            quiet = latencies(receiver, seconds, numbers)
            with attacked(receiver.address):
                loaded = latencies(receiver, seconds, numbers)
            memory = receiver.memory()
    for name, taken in {"alone": quiet, "beside the loads": loaded}.items():
        ratio = statistics.median(taken) / statistics.median(quiet)
        say(
            f"{name:18} {len(taken):5} deliveries, median {statistics.median(taken) * 1e3:7.1f} ms, "
            f"largest {max(taken) * 1e3:7.1f} ms, ratio of medians {ratio:6.1f}"
        )
    say(f"largest memory of the receiver: {memory / MIB:.0f} MiB")


def say(line: str) -> None:
    sys.stdout.write(line + "\n")


if __name__ == "__main__":
    main(*map(float, sys.argv[1:]))
