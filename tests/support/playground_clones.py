"""Clones of the playground's repositories, isolated from the developer's git settings."""

import base64
import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from git import Actor, Repo

from tests.support.playground_gitlab import AnyPlayground

CLOSED = {
    "PATH": os.environ["PATH"],
    "HOME": "/nonexistent",
    "LC_ALL": "C",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_TERMINAL_PROMPT": "0",
}
ANN = Actor("Ann", "ann@playground.invalid")


def header(token: str) -> str:
    return f"Authorization: Basic {base64.b64encode(f'x-access-token:{token}'.encode()).decode()}"


def git(*args: str, token: str = "", cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run git itself, for tests of its messages and exit status."""
    environment = _environment(token)
    return subprocess.run(["git", *args], cwd=cwd, env=environment, capture_output=True, text=True)


def _environment(token: str) -> dict[str, str]:
    if not token:
        return CLOSED
    setting = {"KEY_0": "http.extraHeader", "VALUE_0": header(token), "COUNT": "1"}
    return {**CLOSED, **{f"GIT_CONFIG_{name}": value for name, value in setting.items()}}


def clone(
    playground: AnyPlayground, folder: Path, *, path: str = "", token: str = "", onto: str = "main"
) -> None:
    """Clone the playground's own repository, or the one at that path, at the branch `onto`."""
    url = _url(playground, path)
    Repo.clone_from(url, folder, env=_environment(token), branch=onto).close()


def _url(playground: AnyPlayground, path: str) -> str:
    return f"{playground.url}/{path or playground.path}.git"


def commit(folder: Path, content: str = "more\n") -> str:
    """Commit a change of the notes, and all other changes; return the commit's id."""
    (folder / "notes.txt").write_text(content)
    return commit_all(folder, "Note")


def commit_all(folder: Path, message: str) -> str:
    with opened(folder) as repo:
        repo.git.add(all=True)
        return repo.index.commit(message, author=ANN, committer=ANN).hexsha


@contextmanager
def opened(folder: Path) -> Iterator[Repo]:
    """Open a clone for the block."""
    with Repo(folder) as repo:
        repo.git.update_environment(**CLOSED)
        yield repo


def push(
    folder: Path, playground: AnyPlayground, branch: str, *, path: str = "", as_: str = "ann"
) -> subprocess.CompletedProcess[str]:
    url, token = _url(playground, path), playground.tokens[as_]
    return git("push", url, f"HEAD:refs/heads/{branch}", token=token, cwd=folder)


def push_commit(
    playground: AnyPlayground,
    branch: str,
    content: str = "more\n",
    *,
    onto: str = "main",
    path: str = "",
    as_: str = "ann",
) -> str:
    """Push one new commit from `onto` to `branch`; return its id."""
    with tempfile.TemporaryDirectory() as name:
        clone(playground, Path(name), path=path, token=playground.tokens[as_], onto=onto)
        sha = commit(Path(name), content)
        done = push(Path(name), playground, branch, path=path, as_=as_)
        assert done.returncode == 0, done.stderr
        return sha
