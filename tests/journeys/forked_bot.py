"""The bot's processes, forked from a process that has already imported the bot.

Imports are most of the cost of a start. Each forked process still has its own working folder,
environment and output, and ends on the same signals as a process started normally. Of all of them
only the first asks an image for its contents, because each such question costs a container.
"""

import fcntl
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
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, Self

if TYPE_CHECKING:  # otherwise every test process would import the bot for it
    from bot.runs.runtime import Runtime
    from bot.sandbox.engine.containers import Mount

_LOADED = (
    "bot.app.cli.main",
    "bot.app.processes",
    "bot.forges.github.connection",
    "gitlab",
    "psycopg",
)
_LARGEST = 1 << 20  # maximum size of a request, in bytes


class Process(Protocol):
    """The part of `subprocess.Popen`'s interface that the tests use."""

    pid: int

    def poll(self) -> int | None: ...
    def wait(self, timeout: float | None = None) -> int: ...
    def send_signal(self, sig: int) -> None: ...
    def kill(self) -> None: ...


class Forked:
    """A process that is not a child of the tests.

    Its end is noticed, but its exit status is unknown (0 is reported).
    """

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


class Piped:
    """A process whose output and exit status its creator can read, as with `subprocess.Popen`."""

    def __init__(self, stdout: int, stderr: int, status: int) -> None:
        self.stdout, self.stderr = os.fdopen(stdout), os.fdopen(stderr)
        self._status = os.fdopen(status)
        self.pid = int(self._status.readline())
        self.returncode: int | None = None

    def poll(self) -> int | None:
        return self._ended(0)

    def wait(self, timeout: float | None = None) -> int:
        status = self._ended(timeout)
        if status is None:
            raise subprocess.TimeoutExpired(str(self.pid), timeout or 0)
        return status

    def communicate(self, timeout: float) -> tuple[str, str]:
        """Read the rest of both outputs and wait for the process to end."""
        with ThreadPoolExecutor(2) as pool:
            reads = [pool.submit(output.read) for output in (self.stdout, self.stderr)]
            try:
                self.wait(timeout)
            except subprocess.TimeoutExpired:
                self.kill()  # otherwise the readers would never reach the end
                raise
            output, errors = (read.result() for read in reads)
        return output, errors

    def send_signal(self, sig: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, sig)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        for output in (self.stdout, self.stderr):
            output.close()
        self.wait()
        self._status.close()

    def _ended(self, timeout: float | None) -> int | None:
        if self.returncode is None and select.select([self._status], [], [], timeout)[0]:
            self.returncode = int(self._status.readline())
        return self.returncode


def fork(program: Sequence[str], *, folder: Path, environment: Mapping[str, str], log: Path) -> Forked:
    """Start `python *program` in this folder; append its output to the log."""
    output = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        return Forked(int(_ask(program, folder, environment, [output, output])))
    finally:
        os.close(output)


def fork_piped(program: Sequence[str], *, folder: Path, environment: Mapping[str, str]) -> Piped:
    """Start `python *program` in this folder."""
    pipes = [os.pipe() for _ in ("stdout", "stderr", "status")]
    _ask(program, folder, environment, [end for _, end in pipes])
    for _, end in pipes:
        os.close(end)
    stdout, stderr, status = (end for end, _ in pipes)
    return Piped(stdout, stderr, status)


def _ask(program: Sequence[str], folder: Path, environment: Mapping[str, str], outputs: list[int]) -> str:
    asked = {"program": program, "folder": str(folder), "environment": environment}
    _, line = _forker()
    socket.send_fds(line, [json.dumps(asked).encode()], outputs)
    return line.recv(64).decode()


@cache
def _forker() -> "tuple[subprocess.Popen[bytes], socket.socket]":
    """Start the forking process and return it with the tests' end of the socket. It ends with the tests."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        end = theirs.fileno()
        process = subprocess.Popen([sys.executable, "-m", __name__, str(end)], pass_fds=[end])
    return process, ours


def _serve(line: socket.socket) -> None:
    for name in _LOADED:
        import_module(name)
    _remember_images()
    gc.freeze()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # no process waits for the children
    while True:
        asked, outputs, _, _ = socket.recv_fds(line, _LARGEST, 3)
        if not asked:
            return
        pid = os.fork()
        if not pid:
            line.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            _take(outputs)
            _become(**json.loads(asked))
            return
        line.send(str(pid).encode())
        for output in outputs:
            os.close(output)


def _remember_images() -> None:
    """Make the forked processes share the answers of images, which their ids or names identify here."""
    preflight = import_module("bot.app.preflight")
    ask, answers = preflight._output, os.memfd_create("answers")
    fcntl.fcntl(answers, fcntl.F_SETFL, os.O_APPEND)

    def output(
        runtime: "Runtime",
        script: str,
        args: Sequence[str] = (),
        mounts: "Sequence[Mount]" = (),
        *,
        image: str = "",
    ) -> str:
        question = json.dumps([image or runtime.image, script, *args])
        known: dict[str, str] = dict(map(json.loads, os.pread(answers, _LARGEST, 0).splitlines()))
        if question not in known:
            known[question] = ask(runtime, script, args, mounts, image=image)
            os.write(answers, json.dumps([question, known[question]]).encode() + b"\n")
        return known[question]

    preflight._output = output  # type: ignore[attr-defined]


def _take(outputs: list[int]) -> None:
    """Redirect the output to the first two descriptors.

    If there is a third descriptor, fork: return in the child; the parent writes the child's process
    id and exit status to that descriptor.
    """
    for descriptor, output in zip((1, 2), outputs, strict=False):
        os.dup2(output, descriptor)
    *_, status = outputs
    if len(outputs) == 3 and (pid := os.fork()):
        for descriptor in (1, 2, *outputs[:2]):
            os.close(descriptor)  # they close with the child
        os.write(status, f"{pid}\n".encode())
        _, how = os.waitpid(pid, 0)
        os.write(status, f"{os.waitstatus_to_exitcode(how)}\n".encode())
        os._exit(0)
    for output in outputs:
        os.close(output)
    sys.stdout, sys.stderr = os.fdopen(1, "w"), os.fdopen(2, "w", buffering=1)


def _become(program: Sequence[str], folder: str, environment: Mapping[str, str]) -> None:
    """Run `python *program` in this process, in the environment that the program expects."""
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()
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
