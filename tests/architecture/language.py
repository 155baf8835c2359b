"""A list of unclear English in docstrings, comments, log events and sentences for people.

python -m tests.architecture.language store        the findings in bot/store
python -m tests.architecture.language handlers     those in handlers; without a name, in both
"""

import argparse
import ast
import io
import re
import sys
import tokenize
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from tests.architecture.language_rules import NOT_A_NOUN, RULES, is_excused
from tests.architecture.strings import texts
from tests.architecture.texts import folders
from tests.architecture.tree import OURS, Tree, is_left_out, python, within, working_tree
from tests.architecture.verbs import VERBS

# Sentences that break a rule for a reason. A fragment of the sentence: the reason.
ALLOWED: dict[str, str] = {
    "# What is asked": "scripts that are agents find the request by this heading",
}

_AROUND = 45  # characters of the text on each side of a match
_NOT_PROSE = re.compile(r"#\s*(?:noqa|type:|fmt:|pragma|!)|#!")
_PROPERTIES = {"property", "cached_property", "setter"}
Definition = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Finding:
    """A text that breaks a rule, and the advice of that rule."""

    path: str
    line: int
    rule: str
    text: str
    advice: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.rule}: {self.text} [{self.advice}]"


def findings(tree: Tree, *places: str) -> list[Finding]:
    """List the findings in these folders, or in all of `bot` and `handlers` if none are given."""
    found: set[Finding] = set()
    for path, syntax in python(tree, *places):
        if not is_left_out(path):
            found.update(_openings(path, syntax))
            for line, text in _comments(tree[path]):
                found.update(_in_prose(path, line, text))
    for each in texts(tree, *places):
        found.update(_in_prose(each.path, each.line, each.text))
    return sorted(found, key=lambda each: (each.path, each.line, each.rule, each.text))


def _openings(path: str, syntax: ast.Module) -> Iterator[Finding]:
    for node in ast.walk(syntax):
        if not isinstance(node, Definition) or not (docstring := ast.get_docstring(node)):
            continue
        first = docstring.partition("\n")[0]
        word = re.sub(r"[\W_]+$", "", first.split()[0]).lower()
        line = node.body[0].lineno
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not _is_property(node):
            if word not in VERBS:
                yield Finding(path, line, "function", first, "open with a verb in the imperative")
        elif word in NOT_A_NOUN:
            yield Finding(path, line, "noun phrase", first, "open with a noun phrase")


def _is_property(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    names = {getattr(each, "attr", "") or getattr(each, "id", "") for each in node.decorator_list}
    return bool(names & _PROPERTIES)


def _comments(source: str) -> Iterator[tuple[int, str]]:
    """Yield the comments with their lines. Adjacent comments on lines of their own are one text."""
    start, last, lines = 0, 0, list[str]()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type != tokenize.COMMENT or _NOT_PROSE.match(token.string):
            continue
        text, is_alone = token.string.lstrip("# "), not token.line[: token.start[1]].strip()
        if is_alone and lines and token.start[0] == last + 1:
            lines.append(text)
        else:
            if lines:
                yield start, " ".join(lines)
            start, lines = token.start[0], [text]
        last = token.start[0] if is_alone else 0
    if lines:
        yield start, " ".join(lines)


def _in_prose(path: str, line: int, text: str) -> Iterator[Finding]:
    if any(fragment in text for fragment in ALLOWED):
        return
    for rule in RULES:
        for found in rule.pattern.finditer(text):
            if not is_excused(rule, text, found):
                yield Finding(path, line, rule.name, _excerpt(text, found), rule.advice)


def _excerpt(text: str, found: re.Match[str]) -> str:
    start, end = max(found.start() - _AROUND, 0), found.end() + _AROUND
    before, after = "…" if start else "", "…" if end < len(text) else ""
    return f"{before}{text[start:end].strip()}{after}"


def unused_exceptions(tree: Tree) -> list[str]:
    """Find exceptions that no text needs any more."""
    sources = " ".join(" ".join(source.split()) for path, source in tree.items() if within(path, OURS))
    return [fragment for fragment in ALLOWED if fragment not in sources]


def main() -> None:
    """Print the findings and their number by rule."""
    parser = argparse.ArgumentParser(prog="python -m tests.architecture.language")
    parser.add_argument("packages", nargs="*", help="only findings in these packages, such as `store`")
    found = findings(working_tree(), *folders(parser.parse_args().packages))
    counts = Counter(each.rule for each in found)
    lines = [*map(str, found), *(f"{rule}: {count}" for rule, count in sorted(counts.items()))]
    sys.stdout.write("".join(f"{line}\n" for line in [*lines, f"total: {len(found)}"]))


if __name__ == "__main__":
    main()
