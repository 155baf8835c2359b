"""Objects from one long-lived `git cat-file`, each read only as far as the caller needs.

`git diff-tree` prints only after it has compared everything, and a tree of one
kilobyte can name more files than fit into memory. So trees are read here one by
one, and the caller can stop at any time.
"""

import os
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import IO

from bot.domain.errors import GitFailed, ProcessKilled
from bot.git.conversation import conversation
from bot.git.run import Objects
from bot.git.stderr import both_ends, clean, failure, is_killed

_SECONDS = 600  # for all reads of one export
_PIECE = 1 << 20  # bytes skipped at once
_CACHED, _CACHED_BYTES = 512, 1 << 15  # trees in the cache, and bytes of the largest one
_AT_ONCE = 80  # names in one write: under 4 KiB, which a pipe accepts while git is still writing


@dataclass(frozen=True, slots=True)
class Object:
    """An object or its first bytes; `size` is that of the whole object, in bytes."""

    oid: str
    kind: str
    size: int
    content: bytes

    @property
    def is_whole(self) -> bool:
        return len(self.content) == self.size


@dataclass(frozen=True, slots=True)
class ObjectReader:
    """A reader of objects by name. Two threads must not use it at the same time."""

    _process: subprocess.Popen[bytes]
    _stderr: IO[bytes]
    _trees: dict[str, Object] = field(default_factory=dict)

    def read(self, name: str, most: int) -> Object:
        """Return the object of this name, at most `most` bytes of it. Raises GitFailed if there is none."""
        self._request([name])
        return _require(name, self._response(most))

    def read_many(self, names: Sequence[str], most: int) -> Iterator[Object]:
        """Yield several objects, each as `read` returns it, without a wait for git between two of them."""
        for start in range(0, len(names), _AT_ONCE):
            batch = names[start : start + _AT_ONCE]
            self._request(batch)
            # Read all responses first: a caller that stops early must not leave some of them unread.
            responses = [self._response(most) for _ in batch]
            for name, response in zip(batch, responses, strict=True):
                yield _require(name, response)

    def holds(self, trees: Iterable[str]) -> bool:
        """Report whether all of these trees are cached."""
        return all(oid in self._trees for oid in trees)

    def fetch(self, trees: Iterable[str]) -> None:
        """Read up to 80 of these trees, and cache the small ones."""
        batch = [oid for oid in dict.fromkeys(trees) if oid not in self._trees][:_AT_ONCE]
        if len(batch) > 1:
            self._request(batch)
            for oid in batch:
                self._cache(oid, self._response(_CACHED_BYTES))

    def tree(self, name: str, most: int) -> Object:
        """Return a tree as `read` does; small trees are cached. Raises GitFailed if it is not a tree."""
        if cached := self._trees.get(name):
            return cached
        tree = self.read(name, most)
        if tree.kind != "tree":
            raise GitFailed(f"The object {name} is a {tree.kind}, not a tree.")
        self._cache(name, tree)
        return tree

    def _cache(self, name: str, tree: Object | None) -> None:
        if tree and tree.kind == "tree" and tree.is_whole and tree.size <= _CACHED_BYTES:
            while len(self._trees) >= _CACHED:
                del self._trees[next(iter(self._trees))]
            self._trees[name] = self._trees[tree.oid] = tree

    def _request(self, names: Sequence[str]) -> None:
        assert self._process.stdin
        try:
            # Not through the buffer of `stdin`, which would raise again on close if git has ended.
            os.write(self._process.stdin.fileno(), "".join(f"{name}\n" for name in names).encode())
        except BrokenPipeError as error:
            raise self._early_end() from error

    def _response(self, most: int) -> Object | None:
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line.endswith(b"\n"):
            raise self._early_end()
        fields = line.decode().split()
        if len(fields) != 3:
            return None
        oid, kind, size = fields[0], fields[1], int(fields[2])
        content = self._exactly(min(size, most))
        rest = size - len(content) + 1  # a line end follows
        while rest:
            rest -= len(self._exactly(min(rest, _PIECE)))
        return Object(oid, kind, size, content)

    def _exactly(self, size: int) -> bytes:
        assert self._process.stdout
        content = self._process.stdout.read(size)
        if len(content) < size:
            raise self._early_end()
        return content

    def _early_end(self) -> GitFailed | ProcessKilled:
        """Return the error for a git process that has ended too early."""
        status, messages = self._process.wait(), clean(both_ends(self._stderr))
        if is_killed(status, messages):
            return ProcessKilled("`git cat-file`")
        return GitFailed(failure("cat-file", status, messages))


def _require(name: str, response: Object | None) -> Object:
    if response is None:
        raise GitFailed(f"The object {name} is missing.")
    return response


@contextmanager
def object_reader(objects: Objects) -> Iterator[ObjectReader]:
    """Run a git process during the block that reads `objects`."""
    with tempfile.TemporaryFile() as stderr:
        args = ("cat-file", "--batch")
        env = objects.borrowing()
        with conversation(
            *args, at=objects.path, env=env, stderr=stderr, seconds=_SECONDS, check=objects.check
        ) as process:
            yield ObjectReader(process, stderr)


def sizes(objects: Objects) -> Iterator[tuple[str, str, int]]:
    """Yield id, kind and size in bytes of all objects of this repository, without the borrowed ones.

    Raises GitFailed.
    """
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
            if not line.endswith(b"\n"):  # git died while it wrote the line
                break
            oid, kind, size = line.decode().split()
            yield oid, kind, int(size)
        if process.wait():
            raise ObjectReader(process, stderr)._early_end()
