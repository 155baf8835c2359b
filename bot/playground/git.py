"""The playground's own bare repositories.

Git and GitPython get a closed environment: a developer's git configuration must not change what the
playground does.
"""

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile

from git import Git, GitCommandError, Repo

CLOSED = {
    "PATH": os.environ.get("PATH", os.defpath),
    "HOME": "/nonexistent",
    "LC_ALL": "C",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_TERMINAL_PROMPT": "0",
    # The data folder may belong to another user, who started the playground first.
    "GIT_CONFIG_COUNT": "1",
    "GIT_CONFIG_KEY_0": "safe.directory",
    "GIT_CONFIG_VALUE_0": "*",
}


@contextmanager
def opened(folder: Path) -> Iterator[Repo]:
    """Open a bare repository for the block. The helper processes of GitPython end with it."""
    folder = folder.absolute()  # GitPython runs git inside the repository
    with Repo(folder, expand_vars=False) as repo:
        # GitPython adds this to our own environment, which may name another
        # repository: a hook that starts the playground has GIT_DIR set.
        repo.git.update_environment(**CLOSED, **_here(folder))
        yield repo


def _here(folder: Path) -> dict[str, str]:
    return {
        "GIT_DIR": str(folder),
        "GIT_OBJECT_DIRECTORY": str(folder / "objects"),
        "GIT_CONFIG_PARAMETERS": "",
    }


def create(folder: Path, files: Mapping[str, str], *, branch: str) -> None:
    """Create a bare repository with one commit that holds `files`."""
    _begin(folder, branch)
    lines = [f"commit refs/heads/{branch}", "committer Ann <ann@playground.invalid> 1750000000 +0000"]
    lines += ["data 5", "Begin"]
    for name, content in files.items():
        lines += [f"M 100644 inline {name}", f"data {len(content.encode())}", content]
    with TemporaryFile() as stream, opened(folder) as repo:
        stream.write("\n".join([*lines, ""]).encode())
        stream.seek(0)
        repo.git.fast_import("--quiet", istream=stream)


def copy(source: Path, folder: Path, *, branch: str) -> None:
    """Create a bare repository with the branches and tags of another. It has its own objects."""
    _begin(folder, branch)
    with opened(folder) as repo:
        repo.git.fetch("-q", str(source), "+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*")


def _begin(folder: Path, branch: str) -> None:
    folder.mkdir(parents=True)
    # Repo.init would use the templates of this machine, with their hooks.
    made = Git()
    made.update_environment(**CLOSED, **_here(folder))
    made.init("-q", "--bare", "--template=", f"--initial-branch={branch}")
    with opened(folder) as repo, repo.config_writer() as config:
        config.set_value("http", "receivepack", "true")
        config.set_value("gc", "auto", "0")
        for hidden in ("refs/pull", "refs/merge-requests"):
            config.add_value("receive", "hideRefs", hidden)
    hook = folder / "hooks" / "proc-receive"
    hook.parent.mkdir()
    hook.write_text(f"#!{sys.executable} -I\n{_RESTRICT}")
    hook.chmod(0o755)
    restrict(folder, ())


def commit_id(folder: Path, name: str) -> str | None:
    """Return the full id of a commit or branch, None if there is no such commit."""
    with opened(folder) as repo:
        try:
            return str(repo.git.rev_parse("--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}"))
        except GitCommandError:
            return None


def branch(folder: Path, name: str) -> str | None:
    """Return the commit that a branch points at, None if the branch or the repository is missing."""
    return commit_id(folder, f"refs/heads/{name}") if folder.exists() else None


def branches(folder: Path) -> dict[str, str]:
    """Return the commit of each branch by name."""
    with opened(folder) as repo:
        return {head.name: head.commit.hexsha for head in repo.heads}


def count(folder: Path, base: str, head: str) -> int:
    """Count the commits of `head` that are not in `base`."""
    with opened(folder) as repo:
        return int(repo.git.rev_list("--count", f"{base}..{head}"))


def fork_point(folder: Path, base: str, head: str) -> str:
    """Return the newest common commit, `base` itself if the repository is gone."""
    if not folder.exists():
        return base
    with opened(folder) as repo:
        return str(repo.git.merge_base(base, head))


def set_ref(folder: Path, ref: str, sha: str) -> None:
    with opened(folder) as repo:
        repo.git.update_ref(ref, sha)


def alias(folder: Path, ref: str, meant: str) -> None:
    """Make `ref` a symbolic ref to another one."""
    with opened(folder) as repo:
        repo.git.symbolic_ref(ref, meant)


def take(folder: Path, source: Path, sha: str) -> None:
    """Fetch a commit with its history from another repository. `source` may be the same one."""
    if source != folder:
        with opened(folder) as repo:
            repo.git.fetch("-q", "--no-tags", "--no-write-fetch-head", str(source), sha)


def merge(folder: Path, base: str, head: str, *, message: str, login: str) -> str | None:
    """Create a merge commit of two commits and return its id, None if they conflict. Moves no branch."""
    who = {"NAME": login, "EMAIL": f"{login}@playground.invalid"}
    with opened(folder) as repo:
        try:
            tree = repo.git.merge_tree("--write-tree", base, head)
        except GitCommandError:
            return None
        roles = ("AUTHOR", "COMMITTER")
        repo.git.update_environment(**{f"GIT_{role}_{key}": who[key] for role in roles for key in who})
        return str(repo.git.commit_tree("-p", base, "-p", head, "-m", message, tree))


def restrict(folder: Path, patterns: tuple[str, ...], without_workflows: tuple[str, ...] = ()) -> None:
    """Refuse pushes to branches that match a pattern (fnmatch), and some pushes of workflow files.

    Users whose logins are in `without_workflows` may push only workflow files that the default branch has.
    """
    for name, lines in (("protected", patterns), ("without-workflows", without_workflows)):
        (folder / name).write_text("".join(f"{line}\n" for line in lines))
    # The hook starts Python, so it is set only if there is a restriction. Git writes
    # the setting, not GitPython, which writes in place while a push may read the file.
    with opened(folder) as repo:
        if patterns or without_workflows:
            repo.git.config("receive.procReceiveRefs", "refs/heads")
        elif "procreceiverefs" in repo.git.config("--list"):
            repo.git.config("--unset-all", "receive.procReceiveRefs")


# git's update and pre-receive hooks can only say "hook declined". GitHub says
# "protected branch hook declined", and so can a proc-receive hook (githooks(5)).
_RESTRICT = r"""
import fnmatch, os, pathlib, subprocess, sys

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

def workflows(commit):
    args = ["git", "ls-tree", "-r", commit, ".github/workflows/"]
    return set(subprocess.run(args, capture_output=True, text=True).stdout.splitlines())

def new_workflow(commit):
    # "HEAD" is the default branch as it is before this push.
    new = sorted(workflows(commit) - workflows("HEAD")) if commit.strip("0") else []
    return new[0].partition("\t")[2] if new else ""

patterns = pathlib.Path("protected").read_text().split()
lacking = os.environ.get("REMOTE_USER") in pathlib.Path("without-workflows").read_text().split()
features = read()[0].partition("\0")[2]
write("version=1\0" + ("push-options" if "push-options" in features else ""))
commands = read()
if "push-options" in features:
    read()
report = []
for command in commands:
    _, new, ref = command.split(" ", 2)
    if any(fnmatch.fnmatchcase(ref.removeprefix("refs/heads/"), pattern) for pattern in patterns):
        print(f"error: GH006: Protected branch update failed for {ref}.", file=sys.stderr)
        report.append(f"ng {ref} protected branch hook declined")
    elif lacking and (path := new_workflow(new)):
        why = f"refusing to allow a Personal Access Token to create or update workflow `{path}`"
        report.append(f"ng {ref} {why} without `workflow` scope")
    else:
        report += [f"ok {ref}", "option fall-through"]
write(*report)
"""
