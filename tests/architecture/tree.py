"""The sources under test as text, from the working tree or from a commit.

Every rule of this folder takes such a tree, so that it can be tested on a made-up one.
"""

import ast
import io
import subprocess
import tarfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
OURS = ("bot", "handlers")

Tree = dict[str, str]  # path from the root, with slashes: its text


@cache
def working_tree() -> Tree:
    """Read the Python files and page templates of `bot`, `handlers` and `tests`."""
    files = (path for folder in (*OURS, "tests") for path in sorted((ROOT / folder).rglob("*")))
    return {
        name: path.read_text()
        for path in files
        if is_source(name := path.relative_to(ROOT).as_posix()) and path.is_file()
    }


def committed(revision: str) -> Tree:
    """Read the same files of `bot` and `handlers` from a commit."""
    archive = subprocess.run(
        ["git", "archive", revision, *OURS], cwd=ROOT, check=True, capture_output=True
    ).stdout
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        members = [member for member in tar if member.isfile() and is_source(member.name)]
        return {member.name: _text(tar, member) for member in members}


def _text(tar: tarfile.TarFile, member: tarfile.TarInfo) -> str:
    content = tar.extractfile(member)
    assert content is not None
    return content.read().decode()


def is_source(name: str) -> bool:
    """Return whether the rules apply to a file of this name."""
    return name.endswith(".py") or is_template(name)


def is_template(name: str) -> bool:
    """Return whether this is a page template."""
    return "/templates/" in name and not name.endswith((".py", ".pyc"))


def python(tree: Tree, *folders: str) -> Iterator[tuple[str, ast.Module]]:
    """Yield path and syntax of the Python files in these folders, or in `bot` and `handlers`."""
    for path, text in tree.items():
        if path.endswith(".py") and within(path, folders or OURS):
            yield path, parsed(text)


@cache
def parsed(text: str) -> ast.Module:
    """Parse a source only once for all rules."""
    return ast.parse(text)


def within(path: str, folders: tuple[str, ...]) -> bool:
    """Return whether a path is one of these files or in one of these folders."""
    return any(path == folder or path.startswith(f"{folder.rstrip('/')}/") for folder in folders)


def is_left_out(path: str) -> bool:
    """Return whether the rules on names and language do not apply to this file.

    The playground uses the terms of the forges, and a released migration is not changed.
    """
    return within(path, ("bot/playground", "bot/store/migrations"))
