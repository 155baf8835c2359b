"""git as a client of the playground, with an environment that is closed to the developer's own."""

import base64
import os
import subprocess
import tempfile
from pathlib import Path

from tests.playground_client import Playground

CLOSED = {
    "PATH": os.environ["PATH"],
    "HOME": "/nonexistent",
    "LC_ALL": "C",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_AUTHOR_NAME": "Ann",
    "GIT_AUTHOR_EMAIL": "ann@playground.invalid",
    "GIT_COMMITTER_NAME": "Ann",
    "GIT_COMMITTER_EMAIL": "ann@playground.invalid",
}


def header(token: str) -> str:
    return f"Authorization: Basic {base64.b64encode(f'x-access-token:{token}'.encode()).decode()}"


def git(*words: str, token: str = "", cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    extra = ["-c", f"http.extraHeader={header(token)}"] if token else []
    return subprocess.run(["git", *extra, *words], cwd=cwd, env=CLOSED, capture_output=True, text=True)


def clone(playground: Playground, folder: Path, *, token: str = "") -> None:
    done = git("clone", "-q", playground.clone_url, str(folder), token=token)
    assert done.returncode == 0, done.stderr


def commit(folder: Path, content: str = "more\n") -> str:
    (folder / "notes.txt").write_text(content)
    git("add", "-A", cwd=folder)
    git("commit", "-q", "--allow-empty", "-m", "Note", cwd=folder)
    return git("rev-parse", "HEAD", cwd=folder).stdout.strip()


def push(
    folder: Path, playground: Playground, branch: str, *, as_: str = "ann"
) -> subprocess.CompletedProcess[str]:
    url, token = playground.clone_url, playground.tokens[as_]
    return git("push", url, f"HEAD:refs/heads/{branch}", token=token, cwd=folder)


def push_commit(playground: Playground, branch: str) -> str:
    """One new commit on `branch`, from a clone of main; its id."""
    with tempfile.TemporaryDirectory() as name:
        clone(playground, Path(name))
        sha = commit(Path(name))
        done = push(Path(name), playground, branch)
        assert done.returncode == 0, done.stderr
        return sha
