"""Plumbing on the playground's own bare repositories.

The environment is closed: a developer's git configuration must not change what
the playground does.
"""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

CLOSED = {
    "PATH": os.environ.get("PATH", os.defpath),
    "HOME": "/nonexistent",
    "LC_ALL": "C",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_TERMINAL_PROMPT": "0",
    # The data folder may belong to whoever started the playground first.
    "GIT_CONFIG_COUNT": "1",
    "GIT_CONFIG_KEY_0": "safe.directory",
    "GIT_CONFIG_VALUE_0": "*",
}


class GitFailed(Exception):
    """git ended badly; the message is its last words."""


def git(folder: Path, *words: str, feed: str = "") -> str:
    """Run git in a bare repository and return its output without the last newlines. Raises GitFailed."""
    done = subprocess.run(
        ["git", "--git-dir", str(folder), *words],
        input=feed,
        env=CLOSED,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
    )
    if done.returncode:
        raise GitFailed(done.stderr.strip())
    return done.stdout.rstrip("\n")


def create(folder: Path, files: Mapping[str, str], *, branch: str) -> None:
    """A bare repository with one commit that holds `files`."""
    _begin(folder, branch)
    lines = [f"commit refs/heads/{branch}", "committer Ann <ann@playground.invalid> 1750000000 +0000"]
    lines += ["data 5", "Begin"]
    for name, content in files.items():
        lines += [f"M 100644 inline {name}", f"data {len(content.encode())}", content]
    git(folder, "fast-import", "--quiet", feed="\n".join(lines) + "\n")


def copy(source: Path, folder: Path, *, branch: str) -> None:
    """A bare repository with the branches and tags of another, objects and all."""
    _begin(folder, branch)
    git(folder, "fetch", "-q", str(source), "+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*")


def _begin(folder: Path, branch: str) -> None:
    folder.mkdir(parents=True)
    git(folder, "init", "-q", "--bare", f"--initial-branch={branch}", str(folder))
    git(folder, "config", "http.receivepack", "true")
    git(folder, "config", "gc.auto", "0")
    for hidden in ("refs/pull", "refs/merge-requests"):
        git(folder, "config", "--add", "receive.hideRefs", hidden)
    hook = folder / "hooks" / "proc-receive"
    hook.write_text(f"#!{sys.executable} -I\n{_PROTECT}")
    hook.chmod(0o755)
    protect(folder, ())


def commit_id(folder: Path, name: str) -> str | None:
    """The full id of a commit or branch; None if it is not there."""
    try:
        return git(folder, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")
    except GitFailed:
        return None


def branch(folder: Path, name: str) -> str | None:
    """The commit a branch points at; None if there is no such branch, or no repository."""
    return commit_id(folder, f"refs/heads/{name}") if folder.exists() else None


def branches(folder: Path) -> dict[str, str]:
    """Branch names and the commits they point at."""
    lines = git(
        folder, "for-each-ref", "--format=%(objectname) %(refname:lstrip=2)", "refs/heads"
    ).splitlines()
    return {name: sha for sha, name in (line.split(" ", 1) for line in lines)}


def count(folder: Path, base: str, head: str) -> int:
    """How many commits `head` has that `base` has not."""
    return int(git(folder, "rev-list", "--count", f"{base}..{head}"))


def set_ref(folder: Path, ref: str, sha: str) -> None:
    git(folder, "update-ref", ref, sha)


def alias(folder: Path, ref: str, meant: str) -> None:
    """A ref that is wherever another one is."""
    git(folder, "symbolic-ref", ref, meant)


def take(folder: Path, source: Path, sha: str) -> None:
    """Get a commit and what it needs from another repository; the same one is fine."""
    if source != folder:
        git(folder, "fetch", "-q", "--no-tags", "--no-write-fetch-head", str(source), sha)


def merge(folder: Path, base: str, head: str, *, message: str, login: str) -> str | None:
    """The id of a new merge commit of two commits; None if they conflict. Moves no branch."""
    try:
        tree = git(folder, "merge-tree", "--write-tree", base, head)
    except GitFailed:
        return None
    who = ("-c", f"user.name={login}", "-c", f"user.email={login}@playground.invalid")
    return git(folder, *who, "commit-tree", "-p", base, "-p", head, "-m", message, tree)


def protect(folder: Path, patterns: tuple[str, ...]) -> None:
    """Refuse pushes to branches that match a pattern (fnmatch)."""
    (folder / "protected").write_text("".join(f"{pattern}\n" for pattern in patterns))
    # The hook costs a Python start; without protected branches nobody pays it.
    if patterns:
        git(folder, "config", "receive.procReceiveRefs", "refs/heads")
    elif "procreceiverefs" in git(folder, "config", "--list"):
        git(folder, "config", "--unset-all", "receive.procReceiveRefs")


# git's update and pre-receive hooks can only say "hook declined". GitHub says
# "protected branch hook declined", and a proc-receive hook can (githooks(5)).
_PROTECT = r"""
import fnmatch, pathlib, sys

def read():
    lines = []
    while (size := int(sys.stdin.buffer.read(4), 16)):
        lines.append(sys.stdin.buffer.read(size - 4).decode().rstrip("\n"))
    return lines

def write(*lines):
    for line in lines:
        data = line.encode()
        sys.stdout.buffer.write(b"%04x" % (len(data) + 4) + data)
    sys.stdout.buffer.write(b"0000")
    sys.stdout.buffer.flush()

patterns = pathlib.Path("protected").read_text().split()
features = read()[0].partition("\0")[2]
write("version=1\0" + ("push-options" if "push-options" in features else ""))
commands = read()
if "push-options" in features:
    read()
report = []
for command in commands:
    ref = command.split(" ", 2)[2]
    if any(fnmatch.fnmatchcase(ref.removeprefix("refs/heads/"), pattern) for pattern in patterns):
        print(f"error: GH006: Protected branch update failed for {ref}.", file=sys.stderr)
        report.append(f"ng {ref} protected branch hook declined")
    else:
        report += [f"ok {ref}", "option fall-through"]
write(*report)
"""
