"""git on the host: its environment, its input and its limits."""

import os
import resource
import signal
import time
from collections.abc import Iterator
from itertools import repeat
from pathlib import Path

import pytest

from bot.domain.errors import GitFailed, ProcessKilled
from bot.domain.interrupt import within
from bot.git.bare_repository import make_bare
from bot.git.run import Objects, git, run
from bot.git.stderr import clean, first_lines, is_killed
from tests.support.worker_bench import until


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    make_bare(tmp_path / "x.git")
    return tmp_path / "x.git"


def test_git_does_not_inherit_the_bots_environment(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORGEHAND_GITHUB__TOKEN", "secret-of-the-bot")
    monkeypatch.setenv("GIT_DIR", "/elsewhere")

    seen = git("-c", "alias.env=!env", "env", at=bare).decode()

    assert "secret-of-the-bot" not in seen
    assert f"GIT_DIR={bare}" in seen
    assert "GIT_TERMINAL_PROMPT=0" in seen


def test_git_writes_no_core_file(bare: Path) -> None:
    # The limit is set before git gets its input.
    done = run("-c", "alias.limit=!cat >/dev/null && ulimit -c", "limit", at=bare, stdin=b"go")

    assert done.stdout == b"0\n"


def test_git_does_not_read_settings_of_user_or_system(bare: Path, tmp_path: Path) -> None:
    origins = git("config", "--list", "--show-scope", at=bare).decode().splitlines()

    assert {line.split("\t")[0] for line in origins} == {"local", "command"}


def test_a_failure_has_a_reason_without_credentials_and_control_characters(bare: Path) -> None:
    with pytest.raises(GitFailed, match="git rev-parse failed: fatal: Needed a single revision"):
        git("rev-parse", "--verify", "nothing", at=bare)
    assert clean("at https://me:tok@host/x\r\x1b[31mred\x07") == "at https://host/x\nred"


def test_the_reason_is_quoted_without_hints_and_warnings() -> None:
    advice = (
        "hint: Support for <GIT_DIR>/info/grafts is deprecated\nhint: and will be\nhint: removed\nhint:\n"
    )

    assert first_lines(f"{advice}warning: odd\nfatal: bad object 12\n") == "fatal: bad object 12"
    assert (
        first_lines("remote: not allowed\nerror: failed to push\n")
        == "remote: not allowed; error: failed to push"
    )
    assert first_lines("warning: odd\n") == "warning: odd"


def test_a_failure_after_many_warnings_has_a_reason(bare: Path) -> None:
    alias = "alias.odd=!yes warning: odd | head -n 100000 >&2; echo fatal: at last >&2; exit 1; :"

    with pytest.raises(GitFailed, match="git -c failed: fatal: at last"):
        git("-c", alias, "odd", at=bare)


def test_the_memory_limit_is_reported_with_a_remedy(bare: Path) -> None:
    endless, limits = (bytes(1 << 20) for _ in range(500)), {resource.RLIMIT_AS: 200 << 20}

    with pytest.raises(
        GitFailed, match=r"^git hash-object needs more memory than its limit\. Remove very large"
    ):
        git("hash-object", "--stdin", at=bare, stdin=endless, limits=limits)


def test_the_limit_of_processor_time_is_reported_with_a_remedy(bare: Path) -> None:
    endless, limits = repeat(f"{bare / 'config'}\n".encode() * 100), {resource.RLIMIT_CPU: 1}

    with pytest.raises(
        GitFailed, match=r"^git hash-object was stopped: .* processor time .*\. Remove very large"
    ):
        git("hash-object", "--stdin-paths", at=bare, stdin=endless, limits=limits)


@pytest.mark.parametrize("process", ["$PPID", "$$"], ids=["git", "a child of git"])
@pytest.mark.parametrize("name", ["KILL", "TERM", "HUP"])
def test_a_git_process_that_something_else_killed_is_not_a_failure_of_git(
    bare: Path, name: str, process: str
) -> None:
    with pytest.raises(ProcessKilled, match=r"killed `git -c`.* not a fault of the agent"):
        run("-c", f"alias.dies=!kill -{name} {process}; sleep 60", "dies", at=bare)


OURS = [
    (128, "error: index-pack died of signal 9\nfatal: fetch-pack: invalid index-pack output\n"),
    (128, "error: git-remote-https died of signal 15\n"),
    (-signal.SIGKILL, ""),
]
NOT_OURS = [
    (0, "error: git died of signal 9\n"),
    (1, "remote: error: index-pack died of signal 9\nerror: remote unpack failed\n"),
    (128, "error: index-pack died of signal 11\n"),
    (-signal.SIGXCPU, ""),
    (1, "fatal: bad object 12\n"),
]


def test_a_killed_process_is_distinguished_from_a_limit_a_crash_and_a_process_of_the_remote() -> None:
    assert [is_killed(*end) for end in OURS] == [True] * len(OURS)
    assert [is_killed(*end) for end in NOT_OURS] == [False] * len(NOT_OURS)


def test_git_is_killed_with_its_children_after_its_time_limit(bare: Path) -> None:
    started = time.monotonic()

    with pytest.raises(GitFailed, match="took longer"):
        git("-c", "alias.nap=!sleep 60", "nap", at=bare, seconds=0.3)

    assert time.monotonic() - started < 30


@pytest.mark.parametrize("stdin", [b"", bytes(1 << 20)], ids=["nothing", "more than a pipe holds"])
def test_a_check_that_raises_kills_git_with_its_children(bare: Path, tmp_path: Path, stdin: bytes) -> None:
    """Check both cases: the bot waits for git to end, and git does not read its input."""
    pid, started = tmp_path / "pid", time.monotonic()

    def check() -> None:
        if pid.exists() and pid.read_text().strip():
            raise TimeoutError

    with pytest.raises(TimeoutError):
        git("-c", f"alias.nap=!sleep 60 & echo $! >{pid}; wait", "nap", at=bare, stdin=stdin, check=check)

    assert time.monotonic() - started < 30
    until(lambda: not Path(f"/proc/{pid.read_text().strip()}").exists())


def test_slow_input_is_interrupted_by_a_check_and_fast_input_is_complete(bare: Path) -> None:
    whole = [bytes([number]) * 200_000 for number in range(50)]
    oid = git("hash-object", "-w", "--stdin", at=bare, stdin=iter(whole)).decode().strip()
    assert Objects(bare).git("cat-file", "blob", oid) == b"".join(whole)

    fed = 0

    def check() -> None:
        if fed > 1:
            raise TimeoutError

    def drop_by_drop() -> Iterator[bytes]:
        nonlocal fed
        while True:
            fed += 1
            time.sleep(0.05)
            yield b"x"

    with pytest.raises(TimeoutError):
        git("hash-object", "--stdin", at=bare, stdin=drop_by_drop(), check=check)
    assert 1 < fed < 200


def test_limits_are_set_for_the_command(bare: Path) -> None:
    data = b"x" * 100_000

    done = run("hash-object", "-w", "--stdin", at=bare, stdin=data, limits={resource.RLIMIT_FSIZE: 10})

    assert done.status != 0


def test_endless_output_is_stopped_before_it_fills_the_disk(bare: Path) -> None:
    oid = git("hash-object", "-w", "--stdin", at=bare, stdin=bytes(1 << 16))
    asked = iter([oid] * 5000)

    with pytest.raises(GitFailed, match="printed more than 32 MiB"):
        Objects(bare).git("cat-file", "--batch", stdin=asked)

    assert next(asked, None) == oid


def test_input_that_git_does_not_read_completely_is_not_an_error(bare: Path) -> None:
    done = run("index-pack", "--stdin", at=bare, stdin=(bytes(1 << 16) for _ in range(100)))

    assert "pack signature mismatch" in done.stderr


def test_other_protocols_than_http_and_files_are_refused(tmp_path: Path) -> None:
    for url in (f"ext::touch {tmp_path}/canary", "git://127.0.0.1/x", "ssh://127.0.0.1/x"):
        done = run("ls-remote", "--", url)
        assert "not allowed" in done.stderr
    assert not (tmp_path / "canary").exists()


def test_borrowed_objects_are_visible_and_not_copied(bare: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.git"
    make_bare(other)
    oid = git("hash-object", "-w", "--stdin", at=other, stdin=b"hello").decode().strip()

    assert Objects(bare, (other,)).git("cat-file", "blob", oid) == b"hello"
    assert not os.path.exists(bare / "objects" / oid[:2])


def test_a_check_ends_the_operations_of_a_repository(bare: Path) -> None:
    objects = Objects(bare, check=within(0))

    with pytest.raises(TimeoutError):
        objects.git("cat-file", "--batch", stdin=b"x")
    (bare / "config").unlink()
    os.mkfifo(bare / "config")  # git reads it first, so every command hangs
    with pytest.raises(TimeoutError):
        objects.is_ancestor("HEAD", "HEAD")
    assert objects == Objects(bare)
