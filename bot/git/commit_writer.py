"""Commits written many at a time: one git process for each would be most of what a long history costs."""

import hashlib
import tempfile
from collections.abc import Sequence
from pathlib import Path

from bot.domain.errors import GitFailed
from bot.git.run import Objects


def commit_id(content: bytes) -> str:
    """Return the id of the commit with this content, which need not be written yet."""
    return hashlib.sha1(b"commit %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def write_commits(objects: Objects, contents: Sequence[bytes]) -> list[str]:
    """Write commits with these contents; return their ids. Raises GitFailed."""
    if not contents:
        return []
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder, str(number)) for number in range(len(contents))]
        for path, content in zip(paths, contents, strict=True):
            path.write_bytes(content)
        args = ("-t", "commit", "-w", "--no-filters", "--stdin-paths")
        written = objects.git("hash-object", *args, stdin="".join(f"{path}\n" for path in paths).encode())
    ids = written.decode().split()
    if ids != [commit_id(content) for content in contents]:
        raise GitFailed("git hash-object wrote other commits than it was given.")
    return ids
