"""Files with instructions for agents: on a change, neither its author nor the agent may set them.

On a change, the clone has these files from the repository's default branch; on a change
from a fork, from the target branch. A commit that changes them does so by accident or
worse, so the export restores them.
"""

from collections.abc import Sequence

from bot.domain.errors import GitFailed
from bot.git.run import LIMITS, Objects, git

_EMPTY = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"  # the empty tree, which git knows without an object
_GONE = "000000"

_Entry = tuple[str, str]  # mode and id


def restore(objects: Objects, tree: str, parents: Sequence[str], pathspecs: Sequence[str]) -> str:
    """Return the tree with all matching paths as in the parents; in a merge, with the changes of both.

    Raises GitFailed if two sides of a merge changed the same path, because nobody here can choose one.
    """
    first, *others = parents or [_EMPTY]
    if len(others) > 1:
        raise GitFailed("A merge has more than two parents.")
    entries = {path: old for path, (old, _) in _changed(objects, first, tree, pathspecs).items()}
    for other in others:
        entries |= _merged(objects, first, other, pathspecs)
    return _with(objects, tree, entries) if entries else tree


def _merged(objects: Objects, ours: str, theirs: str, pathspecs: Sequence[str]) -> dict[bytes, _Entry]:
    """Return the entries that `theirs` changed since the merge base."""
    base = objects.git("merge-base", ours, theirs).decode().strip()
    here = _changed(objects, base, ours, pathspecs)
    there = _changed(objects, base, theirs, pathspecs)
    if clash := [path for path in there if path in here and there[path] != here[path]]:
        raise GitFailed(f"Both sides of a merge changed {clash[0].decode(errors='replace')}.")
    return {path: new for path, (_, new) in there.items()}


def _changed(
    objects: Objects, old: str, new: str, pathspecs: Sequence[str]
) -> dict[bytes, tuple[_Entry, _Entry]]:
    args = ("-r", "-z", "--raw", "--no-abbrev", "--no-renames", "--ignore-submodules=none")
    fields = objects.git("diff-tree", *args, old, new, "--", *pathspecs).split(b"\0")
    changes = {}
    for raw, path in zip(fields[::2], fields[1::2], strict=False):
        was, now, before, after, _ = raw.decode().lstrip(":").split(" ")
        changes[path] = ((was, before), (now, after))
    return changes


def _with(objects: Objects, tree: str, entries: dict[bytes, _Entry]) -> str:
    """Write the tree with these entries. A folder at such a path, or a file above it, is replaced."""
    index = objects.path / "restore-index"
    index.unlink(missing_ok=True)

    def plumbing(*args: str, stdin: bytes = b"") -> bytes:
        env = {**objects.borrowing(), "GIT_INDEX_FILE": str(index)}
        return git(
            *args, at=objects.path, env=env, stdin=stdin, seconds=120, limits=LIMITS, check=objects.check
        )

    plumbing("read-tree", tree)
    # Removals come first, because they may make room for additions.
    lines = sorted(entries.items(), key=lambda each: each[1][0] != _GONE)
    index_info = b"".join(f"{mode} {oid}\t".encode() + path + b"\0" for path, (mode, oid) in lines)
    plumbing("update-index", "-z", "--index-info", stdin=index_info)
    return plumbing("write-tree").decode().strip()
