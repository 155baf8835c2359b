"""Edits of a clone: its first files, scripts of the agent, and the paths that the export changes."""

import os
import subprocess
from collections.abc import Mapping

import pytest

from tests.sandbox.export_source import Site, git

CRLF = b"one\r\ntwo\r\n"
LF = b"one\ntwo\n"

# Resumed runs rewrite the same files as first runs, so they are only for --long. Edits are tested in both.
MOSTLY_FIRST = pytest.mark.parametrize(
    "resumed", [pytest.param(False, id="first"), pytest.param(True, id="resumed", marks=pytest.mark.long)]
)


def stored(site: Site, files: Mapping[str, bytes]) -> None:
    """Let the task begin at a commit with exactly these bytes, checked out by git."""
    up, blobs = site.upstream, site.root / "blobs"
    blobs.mkdir()
    for number, blob in enumerate(files.values()):
        (blobs / f"{number}").write_bytes(blob)
    paths = "".join(f"{blobs}/{number}\n" for number in range(len(files)))
    oids = git(up, "hash-object", "-w", "--no-filters", "--stdin-paths", stdin=paths).split()
    entries = (f"100644 {oid}\t{name}\0" for oid, name in zip(oids, files, strict=True))
    git(up, "update-index", "-z", "--index-info", stdin="".join(entries))
    git(up, "commit", "-q", "-m", "Stored")
    begin_at(site, git(up, "rev-parse", "HEAD"))


def begin_at(site: Site, oid: str) -> None:
    site.base = oid
    site.fetch()
    site.show(site.base)
    site.git("reset", "-q", "--hard", site.base)


def shell(site: Site, script: str) -> None:
    """Run a script as the agent, in the clone."""
    closed = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", **site.env}
    person = {f"GIT_{who}_{what}": "a" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    subprocess.run(["sh", "-ec", script], cwd=site.repo, env={**closed, **person}, check=True)


def changed(site: Site, **more: object) -> list[str]:
    """Return the paths that the export changes."""
    return differing(site, site.take(**more).head)


def differing(site: Site, head: str) -> list[str]:
    """Return the paths that differ between the start of the task and this commit."""
    names = site.see("diff", "--no-renames", "--name-only", "-z", site.base, head).split("\0")
    return [name for name in names if name]


def content(site: Site, name: str) -> bytes:
    """Return the content of a file after the export."""
    return content_at(site, site.take().head, name)


def content_at(site: Site, head: str, name: str) -> bytes:
    mirror = {
        "GIT_ALTERNATE_OBJECT_DIRECTORIES": str(site.mirror.path / "objects"),
        "PATH": os.environ["PATH"],
    }
    args = ["git", "-C", str(site.quarantine), "cat-file", "blob", f"{head}:{name}"]
    return subprocess.run(args, env=mirror, capture_output=True, check=True).stdout


MIXED = b"one\r\ntwo\n"
