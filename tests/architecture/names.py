"""Rules on names of modules, classes, functions and arguments. Each returns its violations."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from tests.architecture.glossary import ALLOWED, KEEP, NAMES, PHRASES, WORDS
from tests.architecture.imports import module_name
from tests.architecture.tree import OURS, Tree, is_left_out, python

SUPPORT = "tests/support"
SETTINGS = "bot/app/settings"
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z0-9]+")


@dataclass(frozen=True)
class Name:
    """A name and its definition's place. `kind`: module, class, function or argument."""

    kind: str
    name: str
    path: str
    line: int = 1

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.kind} {self.name}"

    @property
    def words(self) -> list[str]:
        """Words of the name in lower case, parted at underscores and capitals."""
        return [word.lower() for word in _WORD.findall(self.name.rpartition(".")[2])]


def defined(tree: Tree, *folders: str) -> Iterator[Name]:
    """Yield every name that these folders define; the playground and migrations are left out."""
    for path, syntax in python(tree, *folders):
        if is_left_out(path):
            continue
        yield Name("module", module_name(path).removeprefix("bot."), path)
        for node in ast.walk(syntax):
            if isinstance(node, ast.ClassDef):
                yield Name("class", node.name, path, node.lineno)
            elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield Name("function", node.name, path, node.lineno)
            elif isinstance(node, ast.arg):
                yield Name("argument", node.arg, path, node.lineno)


def repeated_classes(tree: Tree) -> list[str]:
    """Find class names that are defined more than once."""
    places = defaultdict(list)
    for name in defined(tree, *OURS):
        if name.kind == "class":
            places[name.name].append(f"{name.path}:{name.line}")
    return [f"class {name}: {', '.join(where)}" for name, where in sorted(places.items()) if len(where) > 1]


def glossary_words(tree: Tree) -> list[str]:
    """Find names with a word that the glossary replaces."""
    found = ((name, _replaced(name)) for name in defined(tree, *OURS, SUPPORT))
    return [f"{name}: {reason}" for name, reason in found if reason]


def _replaced(name: Name) -> str:
    if _is_allowed(name):
        return ""
    bare = name.name.rpartition(".")[2].lower()
    if bare in NAMES and name.kind != "argument":
        return f"`{bare}` is {NAMES[bare]}"
    words = name.words
    for word in words:
        if word in WORDS:
            return f"`{word}` is {WORDS[word]}"
    for phrase, term in PHRASES.items():
        if phrase in {tuple(words[at : at + len(phrase)]) for at in range(len(words))}:
            return f"`{' '.join(phrase)}` is {term}"
    return ""


def _is_allowed(name: Name) -> bool:
    if (name.kind, name.name) not in ALLOWED:
        return False
    return name.name != "keep" or name.path in KEEP


def misnamed_settings(tree: Tree) -> list[str]:
    """Find sections of the settings whose class does not end in `Settings`."""
    bases = {
        node.name: ({base.id for base in node.bases if isinstance(base, ast.Name)}, f"{path}:{node.lineno}")
        for path, syntax in python(tree, SETTINGS)
        for node in ast.walk(syntax)
        if isinstance(node, ast.ClassDef)
    }
    sections = {"Section"}
    for _ in bases:  # a section may derive from another one
        sections |= {name for name, (parents, _) in bases.items() if parents & sections}
    return [
        f"{bases[name][1]}: section {name} should end in `Settings`"
        for name in sorted(sections & bases.keys() - {"Section"})
        if not name.endswith("Settings")
    ]
