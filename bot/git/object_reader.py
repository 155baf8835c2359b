"""Objects out of one long-lived `git cat-file`, each read no further than its reader has use for.

git prints a comparison only once it has made all of it, and a tree of one kilobyte
can name more files than any memory holds. So trees are read here one by one, by
somebody who can stop.
"""

import os
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import IO

from bot.domain.errors import GitFailed
from bot.git.conversation import conversation
from bot.git.run import Objects, clean, failure
from bot.git.stderr import both_ends

_SECONDS = 600  # for all the reading of one export
_PIECE = 1 << 20  # bytes that are skipped at once
_KEPT, _KEPT_BYTES = 512, 1 << 15  # trees that are kept, and bytes of the largest of them
_AT_ONCE = 80  # names in one write of less than 4 KiB, which a pipe takes though git is still writing


@dataclass(frozen=True, slots=True)
class Object:
    """An object, or its first bytes: `size` is that of the whole."""

    oid: str
    kind: str
    size: int
    content: bytes

    @property
    def is_whole(self) -> bool:
        return len(self.content) == self.size


@dataclass(frozen=True, slots=True)
class ObjectReader:
    """Reads objects by name. Not for two threads at once."""

    _process: subprocess.Popen[bytes]
    _stderr: IO[bytes]
    _trees: dict[str, Object] = field(default_factory=dict)

    def read(self, name: str, most: int) -> Object:
        """Return the object of this name, at most `most` bytes of it. Raises GitFailed if there is none."""
        self._ask([name])
        return _there(name, self._answer(most))

    def read_many(self, names: Sequence[str], most: int) -> Iterator[Object]:
        """Return several, as `read` each; one by one each would wait for git to wake up."""
        for start in range(0, len(names), _AT_ONCE):
            asked = names[start : start + _AT_ONCE]
            self._ask(asked)
            # All of them, before anybody who has seen enough leaves answers unread.
            answers = [self._answer(most) for _ in asked]
            for name, found in zip(asked, answers, strict=True):
                yield _there(name, found)

    def holds(self, trees: Iterable[str]) -> bool:
        """Whether all of these trees are remembered."""
        return all(oid in self._trees for oid in trees)

    def fetch(self, trees: Iterable[str]) -> None:
        """Read some of these trees now, and remember those that are small."""
        asked = [oid for oid in dict.fromkeys(trees) if oid not in self._trees][:_AT_ONCE]
        if len(asked) > 1:
            self._ask(asked)
            for oid in asked:
                self._keep(oid, self._answer(_KEPT_BYTES))

    def tree(self, name: str, most: int) -> Object:
        """The same for a tree, of which small ones are remembered. Raises GitFailed if it is none."""
        if found := self._trees.get(name):
            return found
        found = self.read(name, most)
        if found.kind != "tree":
            raise GitFailed(f"The object {name} is a {found.kind}, not a tree.")
        self._keep(name, found)
        return found

    def _keep(self, name: str, tree: Object | None) -> None:
        if tree and tree.kind == "tree" and tree.is_whole and tree.size <= _KEPT_BYTES:
            while len(self._trees) >= _KEPT:
                del self._trees[next(iter(self._trees))]
            self._trees[name] = self._trees[tree.oid] = tree

    def _ask(self, names: Sequence[str]) -> None:
        assert self._process.stdin
        try:
            # Past the buffer of `stdin`, which would complain of a git that has ended once more when closed.
            os.write(self._process.stdin.fileno(), "".join(f"{name}\n" for name in names).encode())
        except BrokenPipeError as error:
            raise self._broken() from error

    def _answer(self, most: int) -> Object | None:
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line.endswith(b"\n"):
            raise self._broken()
        words = line.decode().split()
        if len(words) != 3:
            return None
        oid, kind, size = words[0], words[1], int(words[2])
        content = self._exactly(min(size, most))
        left = size - len(content) + 1  # a line end follows
        while left:
            left -= len(self._exactly(min(left, _PIECE)))
        return Object(oid, kind, size, content)

    def _exactly(self, size: int) -> bytes:
        assert self._process.stdout
        content = self._process.stdout.read(size)
        if len(content) < size:
            raise self._broken()
        return content

    def _broken(self) -> GitFailed:
        """Why git has ended before it was told to."""
        status = self._process.wait()
        return GitFailed(failure("cat-file", status, clean(both_ends(self._stderr))))


def _there(name: str, found: Object | None) -> Object:
    if found is None:
        raise GitFailed(f"The object {name} is missing.")
    return found


@contextmanager
def object_reader(objects: Objects) -> Iterator[ObjectReader]:
    """Run the git that reads `objects` beside the block."""
    with tempfile.TemporaryFile() as stderr:
        args = ("cat-file", "--batch")
        env = objects.borrowing()
        with conversation(
            *args, at=objects.path, env=env, stderr=stderr, seconds=_SECONDS, check=objects.check
        ) as process:
            yield ObjectReader(process, stderr)


def sizes(objects: Objects) -> Iterator[tuple[str, str, int]]:
    """Id, kind and bytes of all objects of this repository, borrowed ones aside. Raises GitFailed."""
    args = (
        "cat-file",
        "--batch-check=%(objectname) %(objecttype) %(objectsize)",
        "--batch-all-objects",
        "--unordered",
    )
    with (
        tempfile.TemporaryFile() as stderr,
        conversation(
            *args, at=objects.path, env={}, stderr=stderr, seconds=_SECONDS, check=objects.check
        ) as process,
    ):
        assert process.stdout
        for line in process.stdout:
            oid, kind, size = line.decode().split()
            yield oid, kind, int(size)
        if process.wait():
            raise ObjectReader(process, stderr)._broken()
