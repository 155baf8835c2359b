"""The operator's own checkout, as given to `forgehand run .`: its branch, remote and uncommitted files.

It is read with GitPython, because no agent has written to it. A folder below
the data folder is refused: agents write there, and git obeys the configuration
of the repository in which it is started.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from git import GitCommandError, InvalidGitRepositoryError, NoSuchPathError, Repo

from bot.domain.errors import NotPossible, NotUnderstood
from bot.domain.repository_url import canonical

# Variables that would make git read another repository. Some are set if a hook or an alias of git starts us.
_ELSEWHERE = {
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_COMMON_DIR",
    "GIT_OBJECT_DIRECTORY",
    "GIT_NAMESPACE",
}


class NotAWorkingCopy(NotPossible):
    """The folder is not a checkout: it is a bare repository, or not a repository."""


class Unreadable(NotPossible):
    """The folder is a checkout that git refuses to read."""


@dataclass(frozen=True, slots=True)
class WorkingCopy:
    """A checkout as it is now."""

    root: Path
    branch: str  # "" if HEAD is detached
    remote: str  # canonical URL, without credentials; "" if there is none
    no_remote: str  # a sentence that says why there is no remote; "" if there is one
    uncommitted: int  # files, untracked ones included and ignored ones not


def refuse_below(data: Path, *places: Path) -> None:
    """Raise NotPossible if one of the places is the data folder or in it."""
    within = Path(os.path.realpath(data))
    for place in places:
        if Path(os.path.realpath(place)).is_relative_to(within):
            raise NotPossible(
                f"{place} is in the data folder of the bot, where agents write. Give the URL of the "
                "repository, or a clone of your own."
            )


def remarks(folder: str, *, data: Path, base: str, forges: Sequence[str] = ()) -> list[str]:
    """Return sentences for the operator before a run on this folder; `base` is the branch of the command.

    Raises NotPossible if a run cannot start there. A bare repository gets no remarks, nor does a folder
    without a repository, which the run itself refuses.
    """
    refuse_below(data, Path(folder))
    try:
        copy = look(folder, data=data, forges=forges)
    except NotAWorkingCopy:
        return []
    except Unreadable as error:
        return [str(error)]
    if not copy.branch and not base:
        raise NotPossible(f"HEAD of {folder} is detached: check out a branch, or name one with --base.")
    notes = [f"the result is pushed to {folder} as a branch, and not to {copy.remote}"] if copy.remote else []
    if copy.uncommitted:
        count = copy.uncommitted
        files = "1 uncommitted file is" if count == 1 else f"{count} uncommitted files are"
        notes.append(f"{files} not included")
    return notes


def look(folder: str, *, data: Path, forges: Sequence[str] = ()) -> WorkingCopy:
    """Read the state of the checkout in `folder`. `data` is the bot's data folder; `forges`: see `canonical`.

    Raises NotAWorkingCopy, Unreadable, or NotPossible if it is below the data folder or a folder within a
    checkout.
    """
    with _without_our_variables(), _opened(folder, data) as repo:
        try:
            branch = repo.git.branch("--show-current")
            # Submodules are compared by commit only: reading one would start git with its configuration.
            listed = repo.git.status(
                "--porcelain", "-z", "--no-renames", "--untracked-files=all", "--ignore-submodules=dirty"
            )
            remote, reason = _remote(repo, branch, forges)
        except GitCommandError as error:
            raise Unreadable(f"git cannot read {folder}: {_first_line(error)}") from None
        return WorkingCopy(
            root=Path(repo.working_dir),
            branch=branch,
            remote=remote,
            no_remote=reason,
            uncommitted=listed.count("\0"),
        )


def _first_line(error: GitCommandError) -> str:
    """Return the first line of git's message, which the library quotes under a heading."""
    return str(error.stderr).strip().removeprefix("stderr: ").strip("'\n ").partition("\n")[0]


@contextmanager
def _without_our_variables() -> Iterator[None]:
    """Hide our settings from git and its filters during the block. Call it before any thread starts."""
    hidden = {
        name: os.environ.pop(name)
        for name in list(os.environ)
        if name.startswith("FORGEHAND_") or name in _ELSEWHERE
    }
    try:
        yield
    finally:
        os.environ.update(hidden)


@contextmanager
def _opened(folder: str, data: Path) -> Iterator[Repo]:
    if "\0" in folder:
        raise NotAWorkingCopy("A path cannot contain NUL.")
    path = Path(os.path.realpath(folder))
    refuse_below(data, path)
    try:
        repo = Repo(path, search_parent_directories=True, expand_vars=False)
    except (InvalidGitRepositoryError, NoSuchPathError, OSError):
        raise NotAWorkingCopy(f"{folder} is not a working copy of git.") from None
    with repo:
        refuse_below(data, Path(repo.git_dir), Path(repo.common_dir))
        if repo.bare:
            raise NotAWorkingCopy(f"{folder} is a bare repository, without a checkout.")
        if Path(repo.working_dir) != path:
            raise NotPossible(
                f"{folder} is only a part of the working copy {repo.working_dir}. Give that folder instead."
            )
        # By -C, because GitPython would replace a $NAME in the path and fall back to the current folder.
        # The file system monitor and hooks are programs that the configuration names: none is started.
        repo.git.set_persistent_git_options(
            C=str(path),
            c=["core.fsmonitor=false", f"core.hooksPath={os.devnull}"],
            no_optional_locks=True,
        )
        yield repo


def _remote(repo: Repo, branch: str, forges: Sequence[str]) -> tuple[str, str]:
    """Return the URL of the branch's remote, of origin or of the only remote; or why there is none."""
    names = repo.git.remote().splitlines()
    upstream = repo.git.config("--get", f"branch.{branch}.remote", with_exceptions=False) if branch else ""
    candidates = [name for name in (upstream, "origin") if name in names] or names
    if not candidates:
        return "", "It has no remote."
    if len(names) > 1 and candidates == names:
        return "", f"It has several remotes, and none is the branch's own or origin: {', '.join(names)}."
    url = repo.git.remote("get-url", "--", candidates[0])
    if "://" not in url and (Path(repo.working_dir) / url).is_dir():
        url = str(Path(repo.working_dir) / url)
    try:
        return canonical(url, forges=forges), ""
    except NotUnderstood as error:
        return "", str(error)
