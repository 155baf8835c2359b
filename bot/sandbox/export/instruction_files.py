"""What agents are told by files of the repository: on a change, not the author's to say, nor the agent's.

The clone shows these paths as the branch has them that the change is for. So what
a commit holds at them is an accident or worse, and the export sets it back.
"""

from collections.abc import Sequence

from bot.domain.errors import GitFailed
from bot.git.run import LIMITS, Objects, git

_EMPTY = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"  # the tree git knows without having it
_GONE = "000000"

_Entry = tuple[str, str]  # mode and id


def restore(objects: Objects, tree: str, parents: Sequence[str], pathspecs: Sequence[str]) -> str:
    """`tree`, with what matches as the parents have it: of a merge, what any side changed.

    Raises GitFailed where two sides of a merge changed the same path: nobody here may choose.
    """
    first, *others = parents or [_EMPTY]
    if len(others) > 1:
        raise GitFailed("More than two sides are merged at once.")
    wanted = {path: old for path, (old, _) in _changed(objects, first, tree, pathspecs).items()}
    for other in others:
        wanted |= _merged(objects, first, other, pathspecs)
    return _with(objects, tree, wanted) if wanted else tree


def _merged(objects: Objects, ours: str, theirs: str, pathspecs: Sequence[str]) -> dict[bytes, _Entry]:
    """What `theirs` changed since the two parted."""
    parted = objects.git("merge-base", ours, theirs).decode().strip()
    here = _changed(objects, parted, ours, pathspecs)
    there = _changed(objects, parted, theirs, pathspecs)
    if clash := [path for path in there if path in here and there[path] != here[path]]:
        raise GitFailed(f"Both sides of a merge changed {clash[0].decode(errors='replace')}.")
    return {path: new for path, (_, new) in there.items()}


def _changed(
    objects: Objects, old: str, new: str, pathspecs: Sequence[str]
) -> dict[bytes, tuple[_Entry, _Entry]]:
    args = ("-r", "-z", "--raw", "--no-abbrev", "--no-renames", "--ignore-submodules=none")
    words = objects.git("diff-tree", *args, old, new, "--", *pathspecs).split(b"\0")
    found = {}
    for raw, path in zip(words[::2], words[1::2], strict=False):
        was, now, before, after, _ = raw.decode().lstrip(":").split(" ")
        found[path] = ((was, before), (now, after))
    return found


def _with(objects: Objects, tree: str, wanted: dict[bytes, _Entry]) -> str:
    """`tree` with these entries. What is in the way of one makes room: a folder, or a file above it."""
    index = objects.path / "set-back"
    index.unlink(missing_ok=True)

    def plumbing(*args: str, stdin: bytes = b"") -> bytes:
        env = {**objects.borrowing(), "GIT_INDEX_FILE": str(index)}
        return git(
            *args, at=objects.path, env=env, stdin=stdin, seconds=120, limits=LIMITS, check=objects.check
        )

    plumbing("read-tree", tree)
    # What goes, first: it may be in the way of what comes.
    lines = sorted(wanted.items(), key=lambda each: each[1][0] != _GONE)
    given = b"".join(f"{mode} {oid}\t".encode() + path + b"\0" for path, (mode, oid) in lines)
    plumbing("update-index", "-z", "--index-info", stdin=given)
    return plumbing("write-tree").decode().strip()
