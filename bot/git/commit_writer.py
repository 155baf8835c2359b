"""Writing many commits with one git process.

One process per commit would take most of the time of exporting a long history.
"""

import hashlib
import tempfile
from collections.abc import Sequence
from pathlib import Path

from bot.domain.errors import GitFailed
from bot.git.run import Objects


def commit_id(content: bytes) -> str:
    """Return the id of a commit with this content, whether or not it has been written."""
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
        raise GitFailed("git hash-object wrote commits that differ from its input.")
    return ids
