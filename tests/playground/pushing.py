"""git as a client of the playground, with an environment that is closed to the developer's own."""

import base64
import os
import subprocess
import tempfile
from pathlib import Path

from tests.playground_gitlab import AnyPlayground

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


def clone(playground: AnyPlayground, folder: Path, *, path: str = "", token: str = "") -> None:
    """The playground's own repository, or the one of that path."""
    done = git("clone", "-q", _url(playground, path), str(folder), token=token)
    assert done.returncode == 0, done.stderr


def _url(playground: AnyPlayground, path: str) -> str:
    return f"{playground.url}/{path or playground.path}.git"


def commit(folder: Path, content: str = "more\n") -> str:
    (folder / "notes.txt").write_text(content)
    git("add", "-A", cwd=folder)
    git("commit", "-q", "--allow-empty", "-m", "Note", cwd=folder)
    return git("rev-parse", "HEAD", cwd=folder).stdout.strip()


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
    """One new commit on `branch`, from a clone at `onto`; its id."""
    with tempfile.TemporaryDirectory() as name:
        clone(playground, Path(name), path=path, token=playground.tokens[as_])
        git("checkout", "-q", onto, cwd=Path(name))
        sha = commit(Path(name), content)
        done = push(Path(name), playground, branch, path=path, as_=as_)
        assert done.returncode == 0, done.stderr
        return sha
