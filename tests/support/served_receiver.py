"""A receiver of GitHub's deliveries in a process of its own, whose memory can be measured.

    python -m tests.support.served_receiver <URL of a migrated ledger>

prints its port, and serves until its input ends.
"""

import os
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import uvicorn

from bot.store.ledger import open_ledger
from bot.web.receiver import Receiver, routes
from bot.web.recorder import Intake
from bot.web.server import application, server
from tests.support.webhook_receiver import GITHUB

BODY_CAP = 25 << 20  # bytes


@dataclass(frozen=True)
class ServedReceiver:
    """The process and the address of its receiver."""

    pid: int
    address: tuple[str, int]

    def memory(self) -> int:
        """Return the largest number of bytes that the process had in memory at any time."""
        text = Path(f"/proc/{self.pid}/status").read_text()
        [kilobytes] = re.findall(r"^VmHWM:\s+(\d+) kB$", text, re.MULTILINE)
        return int(kilobytes) << 10


@contextmanager
def served(url: str) -> Iterator[ServedReceiver]:
    """Serve a receiver with this ledger during the block."""
    command = [sys.executable, "-m", __name__, url]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        yield ServedReceiver(process.pid, ("127.0.0.1", int(process.stdout.readline())))
        process.stdin.close()


def main(url: str) -> None:
    intake = Intake(open_ledger(url), lambda forge, delivery: None)
    receiver = Receiver(
        verifier=GITHUB.sender, body_cap=BODY_CAP, read_deadline=10, events=frozenset({GITHUB.recorded})
    )
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as listener:
        web = server(application(routes([receiver], intake, lambda status: None)), host="127.0.0.1", port=0)
        threading.Thread(target=_stop_with_input, args=[web], daemon=True).start()
        sys.stdout.write(f"{listener.getsockname()[1]}\n")
        sys.stdout.flush()
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nobody reads the log
        intake.start()
        web.run(sockets=[listener])
        intake.stop()


def _stop_with_input(web: uvicorn.Server) -> None:
    sys.stdin.read()
    web.should_exit = True


if __name__ == "__main__":
    main(sys.argv[1])
