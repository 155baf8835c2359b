"""The one place that starts git on the host: bare repositories of ours, nothing else.

git runs as a plain subprocess in a closed environment (docs/adr/0001): whatever
git reads from the user's home, the system or the bot's own environment is either
a secret it must not have or a setting that could run code.
"""

import os
import re
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

from bot.domain.errors import DiskFull, GitFailed
from bot.domain.interrupt import INTERVAL, Check, Paced, interruptible, uninterrupted
from bot.git.stderr import both_ends, limit_reached
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
    # A remote that says nothing for two minutes is gone; git has no limit of its own.
    ("http.lowSpeedLimit", "1"),
    ("http.lowSpeedTime", "120"),
    # Packs are mapped in small windows, so that the limit on address space holds for a mirror of any size.
    ("core.packedGitWindowSize", "32m"),
    ("core.packedGitLimit", "512m"),
]

# For work on what an agent made: bytes, seconds, bytes.
LIMITS = {resource.RLIMIT_AS: 2 << 30, resource.RLIMIT_CPU: 120, resource.RLIMIT_FSIZE: 4 << 30}
_MOST = 32 << 20  # bytes of stdout: we read it whole, and make of it what is several times as large
# The same where git makes no pack: what it prints is a file of ours, which one tree can make it fill.
_READING = {**LIMITS, resource.RLIMIT_FSIZE: _MOST + 1}

# Ours, not the remote's, whose words have its name before them.
_FULL = re.compile(r"^(?!remote:).*(No space left on device|Disk quota exceeded)", re.MULTILINE)
_CREDENTIALS = re.compile(r"(?<=://)[^/\s@]*@")
_CONTROLS = re.compile(r"\x1b\[[0-9;]*[A-Za-z]|[\x00-\x09\x0b-\x1f\x7f-\x9f]")


@dataclass(frozen=True, slots=True)
class Finished:
    status: int
    stdout: bytes
    said: str  # stderr, cleaned


def run(
    *args: str,
    at: Path | None = None,
    env: Mapping[str, str] | None = None,
    stdin: bytes | Iterable[bytes] = b"",
    seconds: float = 60,
    limits: Mapping[int, int] | None = None,
    holding: Sequence[int] = (),
    check: Check = uninterrupted,
) -> Finished:
    """Run git to its end, whatever that is. Raises GitFailed only if it takes more than `seconds`.

    `holding` are descriptors of locked files: git outlives us where we are killed, and then holds on to them.
    `check` is called while git runs. If it raises, git is killed, with its helpers, and the error passes on.
    """
    # Files, not pipes: whoever fills a pipe nobody reads yet stops, and stdin may be long.
    with tempfile.TemporaryFile() as stderr, tempfile.TemporaryFile() as stdout:
        process = subprocess.Popen(
            ["git", *args],
            env=environment(at, env or {}),
            cwd="/",
            stdin=subprocess.PIPE,
            stdout=stdout,
            stderr=stderr,
            process_group=0,
            pass_fds=holding,
        )
        with ended_within(seconds, process, check) as late:
            set_limits(process, limits or {})
            _feed(process, stdin, check)
        said = clean(both_ends(stderr))
        if late.is_set():
            raise too_late(args[0], seconds)
        if stdout.seek(0, os.SEEK_END) > _MOST:
            raise GitFailed(f"git {args[0]} printed more than {human(_MOST)}.")
        stdout.seek(0)
        return Finished(process.returncode, stdout.read(), said)


@contextmanager
def ended_within(seconds: float, process: subprocess.Popen[bytes], check: Check) -> Iterator[threading.Event]:
    """Wait for its end behind the block. The event: it had to be stopped, in the block or there."""
    late = threading.Event()

    def stop() -> None:
        if process.poll() is None:
            late.set()
            os.killpg(process.pid, signal.SIGKILL)  # its helpers (git-remote-https) are in the same group

    timer = threading.Timer(seconds, stop)
    timer.start()
    try:
        yield late
        interruptible(process.wait, check)
    except BaseException:
        stop()
        process.wait()
        raise
    finally:
        timer.cancel()


def set_limits(process: subprocess.Popen[bytes], limits: Mapping[int, int]) -> None:
    """Set from outside and before the first byte of input: preexec_fn is not safe with threads."""
    with suppress(ProcessLookupError):
        for limit, value in limits.items():
            resource.prlimit(process.pid, limit, (value, value))


def _feed(process: subprocess.Popen[bytes], stdin: bytes | Iterable[bytes], check: Check) -> None:
    assert process.stdin
    paced = Paced(check)
    with suppress(BrokenPipeError), process.stdin as pipe:
        os.set_blocking(pipe.fileno(), False)
        for chunk in [stdin] if isinstance(stdin, bytes) else stdin:
            _write(pipe.fileno(), chunk, paced)


def _write(pipe: int, data: bytes, check: Check) -> None:
    """Write all of it to a pipe that does not block, however slowly it is read."""
    room = select.poll()
    room.register(pipe, select.POLLOUT)
    left = memoryview(data)
    while left:
        check()
        if room.poll(INTERVAL * 1000):
            left = left[os.write(pipe, left) :]


def git(
    *args: str,
    at: Path | None = None,
    env: Mapping[str, str] | None = None,
    stdin: bytes | Iterable[bytes] = b"",
    seconds: float = 60,
    limits: Mapping[int, int] | None = None,
    check: Check = uninterrupted,
) -> bytes:
    """What git printed. Raises GitFailed with its first words of complaint, and what `check` raises."""
    done = run(*args, at=at, env=env, stdin=stdin, seconds=seconds, limits=limits, check=check)
    if done.status:
        if is_disk_full(done.said):
            raise DiskFull
        raise GitFailed(failure(args[0], done.status, done.said))
    return done.stdout


def too_late(command: str, seconds: float) -> GitFailed:
    """Return the error of a command that was stopped at its time limit, in seconds."""
    return GitFailed(f"git {command} took longer than {seconds:.0f} seconds and was stopped.")


def clean(text: str) -> str:
    """Text of a remote or of git without credentials and control characters."""
    return _CREDENTIALS.sub("", _CONTROLS.sub("", text.replace("\r", "\n")))


def is_disk_full(said: str) -> bool:
    """Does git complain of the disk it writes to?"""
    return _FULL.search(said) is not None


def first_lines(said: str, most: int = 3) -> str:
    """The first `most` lines, without advice and warnings if git said anything else."""
    lines = [line.strip()[:300] for line in said.splitlines() if line.strip()]
    reasons = [line for line in lines if not line.startswith(("hint:", "warning:"))]
    return "; ".join((reasons or lines)[:most])


def failure(command: str, status: int, said: str) -> str:
    """A sentence on how a git command failed."""
    words = limit_reached(command, status, said)
    return words or f"git {command} failed: {first_lines(said) or f'status {status}'}"


@dataclass(frozen=True, slots=True)
class Objects:
    """A bare repository of ours together with the ones it borrows objects from.

    The borrowing is in the environment, never in an alternates file: that would
    name host paths in a folder that is mounted into containers. `check` is called while git runs in it.
    """

    path: Path
    borrowed: tuple[Path, ...] = ()
    check: Check = field(default=uninterrupted, compare=False, repr=False)

    def git(self, *args: str, stdin: bytes | Iterable[bytes] = b"") -> bytes:
        """As `git`, within limits: what is read here was made by an agent. Large files cannot be made."""
        env = self.borrowing()
        return git(*args, at=self.path, env=env, stdin=stdin, seconds=120, limits=_READING, check=self.check)

    def borrowing(self) -> dict[str, str]:
        chain = os.pathsep.join(str(path / "objects") for path in self.borrowed)
        return {"GIT_ALTERNATE_OBJECT_DIRECTORIES": chain}

    def is_ancestor(self, old: str, new: str) -> bool:
        args = ("merge-base", "--is-ancestor", old, new)
        done = run(*args, at=self.path, env=self.borrowing(), limits=_READING, check=self.check)
        if done.status not in {0, 1}:
            raise GitFailed(f"git merge-base failed: {first_lines(done.said)}")
        return done.status == 0


def environment(at: Path | None, env: Mapping[str, str]) -> dict[str, str]:
    """Return all that a git command in the repository `at` is given: our closed environment, and `env`."""
    closed = {"PATH": os.environ.get("PATH", os.defpath), **_CLOSED, **configured([]), **env}
    return closed if at is None else {**closed, "GIT_DIR": str(at)}


def configured(more: list[tuple[str, str]]) -> dict[str, str]:
    """Our settings and these, as environment: what is in it is in no argument list."""
    pairs = _CONFIG + more
    env = {"GIT_CONFIG_COUNT": str(len(pairs))}
    for number, (key, value) in enumerate(pairs):
        env |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
    return env
