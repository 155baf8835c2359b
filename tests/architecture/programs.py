"""Programs that tests keep as strings: mypy does not see what they import."""

import ast
import re
from collections.abc import Iterator

from tests.architecture.tree import Tree, parsed, python, within

_IMPORT = re.compile(
    r"^[ \t]*from ((?:bot|handlers|tests)(?:\.\w+)*) import (\w+(?: as \w+)?(?:, \w+(?: as \w+)?)*)$",
    re.MULTILINE,
)
_MADE_UP = ("tests/architecture",)  # its strings are made-up trees


def broken_imports(tree: Tree) -> list[str]:
    """List the imports in strings of tests whose module or name does not exist."""
    return [
        f"{path}:{line}: {module} has no {name}"
        for path, line, text in _strings(tree)
        for module, names in _IMPORT.findall(text)
        for name in (each.split(" as ")[0] for each in names.split(", "))
        if name not in _names(tree, module)
    ]


def _strings(tree: Tree) -> Iterator[tuple[str, int, str]]:
    for path, syntax in python(tree, "tests"):
        for node in ast.walk(syntax) if not within(path, _MADE_UP) else ():
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield path, node.lineno, node.value


def _names(tree: Tree, module: str) -> set[str]:
    """Return the names that can be imported from a module, its own modules included."""
    folder = module.replace(".", "/")
    source = tree.get(f"{folder}.py", tree.get(f"{folder}/__init__.py", ""))
    below = {path.removeprefix(f"{folder}/").split("/")[0] for path in tree if path.startswith(f"{folder}/")}
    return {name.removesuffix(".py") for name in below} | set(_top_level(parsed(source)))


def _top_level(syntax: ast.Module) -> Iterator[str]:
    for node in syntax.body:
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                yield node.name
            case ast.Import() | ast.ImportFrom():
                yield from (each.asname or each.name for each in node.names)
            case ast.Assign():
                yield from (name.id for name in ast.walk(node) if isinstance(name, ast.Name))
            case ast.AnnAssign(target=ast.Name(id=name)):
                yield name
