"""Running git on the host, only in the bot's own bare repositories.

git runs as a plain subprocess in a closed environment (docs/adr/0001): anything
git would read from the user's home, the system or the bot's own environment is
either a secret it must not have or a setting that could run code.
"""

import os
import resource
import select
import signal
import subprocess
import tempfile
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from bot.domain.core_dumps import NO_CORE_DUMPS
from bot.domain.errors import DiskFull, GitFailed, ProcessKilled
from bot.domain.interrupt import INTERVAL, Check, Paced, interruptible, uninterrupted
from bot.git.stderr import both_ends, clean, failure, first_lines, is_disk_full, is_killed
from bot.text.units import human

_CLOSED = {
    "HOME": "/nonexistent",
    "LC_ALL": "C",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_ALLOW_PROTOCOL": "http:https:file",
}
_CONFIG = [
    ("core.hooksPath", "/dev/null"),
    ("core.fsmonitor", "false"),
    ("gc.auto", "0"),
    ("maintenance.auto", "false"),
    ("credential.helper", ""),
    ("http.followRedirects", "false"),
    # A remote that sends nothing for two minutes is gone; git has no limit of its own.
    ("http.lowSpeedLimit", "1"),
    ("http.lowSpeedTime", "120"),
    # Packs are mapped in small windows, so that the limit on address space suffices for any mirror.
    ("core.packedGitWindowSize", "32m"),
    ("core.packedGitLimit", "512m"),
]

_NO_CORE = {resource.RLIMIT_CORE: NO_CORE_DUMPS}
# For commands that read an agent's objects: memory in bytes, processor seconds, bytes of a file.
LIMITS = {
    **_NO_CORE,
    resource.RLIMIT_AS: 2 << 30,
    resource.RLIMIT_CPU: 120,
    resource.RLIMIT_FSIZE: 4 << 30,
}
_CPU_GRACE = 5  # seconds of processor time from that signal to SIGKILL, which thus never stands for a limit
_MOST = 32 << 20  # bytes of stdout: it is read whole, and parsing takes several times its size
# For commands that write no pack: their stdout is a file of ours, which one tree could make very large.
_READING = {**LIMITS, resource.RLIMIT_FSIZE: _MOST + 1}


@dataclass(frozen=True, slots=True)
class Finished:
    status: int
    stdout: bytes
    stderr: str  # without credentials and control characters


def run(
    *args: str,
    at: Path | None = None,
    env: Mapping[str, str] | None = None,
    stdin: bytes | Iterable[bytes] = b"",
    seconds: float = 60,
    limits: Mapping[int, int] | None = None,
    inherited_locks: Sequence[int] = (),
    check: Check = uninterrupted,
) -> Finished:
    """Run git and return its status and output, also if it fails.

    Raises GitFailed if git takes more than `seconds` or prints more than 32 MiB, and ProcessKilled if
    something else killed it or a child of it. `inherited_locks` are descriptors of locked files: if this
    process is killed, git outlives it and still holds the locks. `check` is called while git runs. If it
    raises, git and its helpers are killed and the error propagates.
    """
    # Files, not pipes: git would block on a full pipe while a long stdin is still being written.
    with tempfile.TemporaryFile() as stderr, tempfile.TemporaryFile() as stdout:
        process = subprocess.Popen(
            ["git", *args],
            env=environment(at, env or {}),
            cwd="/",
            stdin=subprocess.PIPE,
            stdout=stdout,
            stderr=stderr,
            process_group=0,
            pass_fds=inherited_locks,
        )
        with time_limit(seconds, process, check) as timed_out:
            set_limits(process, {**_NO_CORE, **(limits or {})})
            _feed(process, stdin, check)
        messages = clean(both_ends(stderr))
        if timed_out.is_set():
            raise timeout_error(args[0], seconds)
        if is_killed(process.returncode, messages):
            raise ProcessKilled(f"`git {args[0]}`")
        if stdout.seek(0, os.SEEK_END) > _MOST:
            raise GitFailed(f"git {args[0]} printed more than {human(_MOST)}.")
        stdout.seek(0)
        return Finished(process.returncode, stdout.read(), messages)


@contextmanager
def time_limit(seconds: float, process: subprocess.Popen[bytes], check: Check) -> Iterator[threading.Event]:
    """Wait for the process when the block exits, and kill it after `seconds`.

    The event is set if the process was killed, during the block or during the wait.
    """
    killed = threading.Event()

    def stop() -> None:
        if process.poll() is None:
            killed.set()
            os.killpg(process.pid, signal.SIGKILL)  # the group includes its helpers (git-remote-https)

    timer = threading.Timer(seconds, stop)
    timer.start()
    try:
        yield killed
        interruptible(process.wait, check)
    except BaseException:
        stop()
        process.wait()
        raise
    finally:
        timer.cancel()


def set_limits(process: subprocess.Popen[bytes], limits: Mapping[int, int]) -> None:
    """Set resource limits of a process that has had no input yet.

    They are set from outside because preexec_fn is not safe with threads.
    """
    with suppress(ProcessLookupError):
        for limit, value in limits.items():
            hard = value + _CPU_GRACE if limit == resource.RLIMIT_CPU else value
            resource.prlimit(process.pid, limit, (value, hard))


def _feed(process: subprocess.Popen[bytes], stdin: bytes | Iterable[bytes], check: Check) -> None:
    assert process.stdin
    paced = Paced(check)
    with suppress(BrokenPipeError), process.stdin as pipe:
        os.set_blocking(pipe.fileno(), False)
        for chunk in [stdin] if isinstance(stdin, bytes) else stdin:
            _write(pipe.fileno(), chunk, paced)


def _write(pipe: int, data: bytes, check: Check) -> None:
    """Write all of `data` to a non-blocking pipe, however slowly git reads it."""
    writable = select.poll()
    writable.register(pipe, select.POLLOUT)
    rest = memoryview(data)
    while rest:
        check()
        if writable.poll(INTERVAL * 1000):
            rest = rest[os.write(pipe, rest) :]


def git(
    *args: str,
    at: Path | None = None,
    env: Mapping[str, str] | None = None,
    stdin: bytes | Iterable[bytes] = b"",
    seconds: float = 60,
    limits: Mapping[int, int] | None = None,
    check: Check = uninterrupted,
) -> bytes:
    """Run git and return its stdout.

    Raises GitFailed with the first lines of stderr if it fails, DiskFull, ProcessKilled, and the errors of
    `check`.
    """
    done = run(*args, at=at, env=env, stdin=stdin, seconds=seconds, limits=limits, check=check)
    if done.status:
        if is_disk_full(done.stderr):
            raise DiskFull
        raise GitFailed(failure(args[0], done.status, done.stderr))
    return done.stdout


def timeout_error(command: str, seconds: float) -> GitFailed:
    """Return the error for a command that was killed at its time limit."""
    return GitFailed(f"git {command} took longer than {seconds:.0f} seconds and was stopped.")


@dataclass(frozen=True, slots=True)
class Objects:
    """A bare repository of ours and the repositories from which it borrows objects.

    The borrowing is set in the environment and never in an alternates file, which would name host paths in
    a folder that is mounted into containers. `check` is called while git runs.
    """

    path: Path
    borrowed: tuple[Path, ...] = ()
    check: Check = field(default=uninterrupted, compare=False, repr=False)

    def git(self, *args: str, stdin: bytes | Iterable[bytes] = b"") -> bytes:
        """Run git within resource limits, because an agent made the objects. Raises what `git` raises."""
        env = self.borrowing()
        return git(*args, at=self.path, env=env, stdin=stdin, seconds=120, limits=_READING, check=self.check)

    def borrowing(self) -> dict[str, str]:
        """Return the environment in which git finds the borrowed objects."""
        chain = os.pathsep.join(str(path / "objects") for path in self.borrowed)
        return {"GIT_ALTERNATE_OBJECT_DIRECTORIES": chain}

    def is_ancestor(self, old: str, new: str) -> bool:
        """Report whether commit `old` is `new` or an ancestor of it. Raises GitFailed."""
        args = ("merge-base", "--is-ancestor", old, new)
        done = run(*args, at=self.path, env=self.borrowing(), limits=_READING, check=self.check)
        if done.status not in {0, 1}:
            raise GitFailed(f"git merge-base failed: {first_lines(done.stderr)}")
        return done.status == 0


def environment(at: Path | None, env: Mapping[str, str]) -> dict[str, str]:
    """Return the whole environment of a git command in the repository `at`: the closed one and `env`."""
    closed = {"PATH": os.environ.get("PATH", os.defpath), **_CLOSED, **config_environment([]), **env}
    return closed if at is None else {**closed, "GIT_DIR": str(at)}


def config_environment(more: list[tuple[str, str]]) -> dict[str, str]:
    """Return our git settings and `more` as environment, which keeps them out of argument lists."""
    pairs = _CONFIG + more
    env = {"GIT_CONFIG_COUNT": str(len(pairs))}
    for number, (key, value) in enumerate(pairs):
        env |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
    return env
