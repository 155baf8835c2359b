"""A list of every string that a person or an agent reads, with its place and kind, and counts by kind.

python -m tests.architecture.texts                      every kind except docstrings
python -m tests.architecture.texts reports bot/web      of these packages
python -m tests.architecture.texts --kind log           of one kind; may be repeated
python -m tests.architecture.texts --against v1.0       counts what changed since a commit
"""

import argparse
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from tests.architecture.strings import KINDS, Text, texts
from tests.architecture.tree import ROOT, committed, working_tree


@dataclass(frozen=True)
class Changes:
    """Numbers of strings of one kind, before and after."""

    kind: str
    unchanged: int
    added: int
    removed: int

    @property
    def rewritten(self) -> int:
        """Number of strings with a new text in place of another."""
        return min(self.added, self.removed)

    def __str__(self) -> str:
        return (
            f"{self.kind}: {self.unchanged + self.added} strings, {self.unchanged} unchanged, "
            f"{self.rewritten} rewritten, {self.added - self.rewritten} new, "
            f"{self.removed - self.rewritten} removed"
        )


def compare(old: Sequence[Text], new: Sequence[Text]) -> list[Changes]:
    """Count by kind the texts that were added and removed.

    A text that only moved, to another file or another kind, is unchanged.
    """
    before = Counter(each.text for each in old)
    shared: Counter[str] = Counter()
    unchanged: Counter[str] = Counter()
    for each in new:
        if shared[each.text] < before[each.text]:
            shared[each.text] += 1
            unchanged[each.kind] += 1
    removed: Counter[str] = Counter()
    for each in old:
        if shared[each.text]:
            shared[each.text] -= 1
        else:
            removed[each.kind] += 1
    total = Counter(each.kind for each in new)
    return [Changes(kind, unchanged[kind], total[kind] - unchanged[kind], removed[kind]) for kind in KINDS]


def folders(packages: Sequence[str]) -> list[str]:
    """Convert names of packages or modules, with or without "bot/", to paths."""
    return [_path(name.strip("/")) for name in packages]


def _path(name: str) -> str:
    """Return the path of a package or module. Raise SystemExit if there is none of this name."""
    for path in (name, f"{name}.py", f"bot/{name}", f"bot/{name}.py"):
        if (ROOT / path).exists():
            return path
    raise SystemExit(f"There is no package or module {name}.")


def main() -> None:
    """Print the list, or the changes."""
    parser = argparse.ArgumentParser(prog="python -m tests.architecture.texts")
    parser.add_argument("packages", nargs="*", help="only strings of these packages, such as `reports`")
    parser.add_argument("--kind", action="append", choices=KINDS, help="only strings of this kind")
    parser.add_argument("--against", metavar="COMMIT", help="count the strings changed since this commit")
    given = parser.parse_args()
    kinds = given.kind or [kind for kind in KINDS if kind != "docstring"]
    if given.against and given.packages:
        parser.error("--against compares all packages: a string may have moved from one to another")
    found = [each for each in texts(working_tree(), *folders(given.packages)) if each.kind in kinds]
    if given.against:
        try:
            old = [each for each in texts(committed(given.against)) if each.kind in kinds]
        except subprocess.CalledProcessError as error:
            parser.error(error.stderr.decode().strip())
        lines = [str(changes) for changes in compare(old, found) if changes.kind in kinds]
    else:
        counts = Counter(each.kind for each in found)
        lines = [*map(str, found), *(f"{kind}: {counts[kind]}" for kind in kinds)]
        lines.append(f"total: {len(found)}")
    sys.stdout.write("".join(f"{line}\n" for line in lines))


if __name__ == "__main__":
    main()
