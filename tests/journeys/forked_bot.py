"""The bot's processes, forked from one that has loaded the bot: most of what a start costs is imports.

Each is a process of its own all the same, with the working folder, environment and
output it was asked to have, and is ended by the same signals.
"""

import gc
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Protocol

_LOADED = ("bot.app.cli.main", "bot.app.processes", "bot.forges.github.connection", "gitlab", "psycopg")
_LARGEST = 1 << 20  # bytes of a request


class Process(Protocol):
    """What tests need of a process, as `subprocess.Popen` has it."""

    pid: int

    def poll(self) -> int | None: ...
    def wait(self, timeout: float | None = None) -> int: ...
    def send_signal(self, sig: int) -> None: ...
    def kill(self) -> None: ...


class Forked:
    """A process that is not our child: that it has ended is known, but not how (0 is said)."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._over = False
        try:
            self._handle = os.pidfd_open(pid)
        except ProcessLookupError:
            self._over = True

    def poll(self) -> int | None:
        return self._ended(0)

    def wait(self, timeout: float | None = None) -> int:
        status = self._ended(timeout)
        if status is None:
            raise subprocess.TimeoutExpired(str(self.pid), timeout or 0)
        return status

    def send_signal(self, sig: int) -> None:
        if self.poll() is None:
            signal.pidfd_send_signal(self._handle, sig)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def _ended(self, timeout: float | None) -> int | None:
        if not self._over and select.select([self._handle], [], [], timeout)[0]:
            os.close(self._handle)
            self._over = True
        return 0 if self._over else None


def fork(program: Sequence[str], *, folder: Path, environment: Mapping[str, str], log: Path) -> Forked:
    """Start `python *program` there; what it prints is added to the log."""
    asked = {"program": program, "folder": str(folder), "environment": environment, "log": str(log)}
    _, line = _forker()
    line.send(json.dumps(asked).encode())
    return Forked(int(line.recv(64)))


@cache
def _forker() -> "tuple[subprocess.Popen[bytes], socket.socket]":
    """The process that forks, and our end of the line to it; it ends when we do."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        end = theirs.fileno()
        process = subprocess.Popen([sys.executable, "-m", __name__, str(end)], pass_fds=[end])
    return process, ours


def _serve(line: socket.socket) -> None:
    for name in _LOADED:
        import_module(name)
    gc.freeze()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for them
    while asked := line.recv(_LARGEST):
        pid = os.fork()
        if not pid:
            line.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            _become(**json.loads(asked))
            return
        line.send(str(pid).encode())


def _become(program: Sequence[str], folder: str, environment: Mapping[str, str], log: str) -> None:
    """Be `python *program`, as far as it can tell."""
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()
    output = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    for descriptor in (1, 2):
        os.dup2(output, descriptor)
    os.close(output)
    match list(program):
        case ["-m", module, *_]:
            sys.argv = list(program[1:])
            runpy.run_module(module, run_name="__main__", alter_sys=True)
        case ["-c", code, *_]:
            sys.argv = ["-c", *program[2:]]
            exec(compile(code, "<string>", "exec"), {"__name__": "__main__"})
        case [path, *_]:
            sys.argv = list(program)
            runpy.run_path(path, run_name="__main__")


if __name__ == "__main__":
    _serve(socket.socket(fileno=int(sys.argv[1])))
