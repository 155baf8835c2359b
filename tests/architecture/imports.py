"""Imports of a tree, and the graphs of modules and packages that they make."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from tests.architecture.packages import package_of
from tests.architecture.tree import OURS, Tree, python

Graph = dict[str, set[str]]


@dataclass(frozen=True)
class Import:
    """One imported name: a module of ours, or a library's module and name."""

    module: str
    target: str
    place: str  # file:line

    def __str__(self) -> str:
        return f"{self.place}: {self.module} imports {self.target}"

    @property
    def is_ours(self) -> bool:
        """True if the target is a module of ours."""
        return self.target.partition(".")[0] in OURS


def module_name(path: str) -> str:
    """Convert a path to the name an import has for it."""
    return path.removesuffix(".py").replace("/", ".").removesuffix(".__init__")


def modules(tree: Tree) -> dict[str, str]:
    """Return the modules of `bot` and `handlers`, by name, with their paths."""
    return {module_name(path): path for path, _ in python(tree)}


def imports(tree: Tree) -> list[Import]:
    """List every import, also those inside functions. Raise ValueError for a relative import."""
    known = modules(tree)
    return [each for path, syntax in python(tree) for each in _of_file(path, syntax, known)]


def _of_file(path: str, syntax: ast.Module, known: dict[str, str]) -> Iterator[Import]:
    module = module_name(path)
    for node in ast.walk(syntax):
        place = f"{path}:{getattr(node, 'lineno', 0)}"
        if isinstance(node, ast.Import):
            yield from (Import(module, alias.name, place) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                raise ValueError(f"{place}: a relative import")
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from (Import(module, _nearest(name, known) or name, place) for name in names)


def _nearest(name: str, known: dict[str, str]) -> str | None:
    while name:
        if name in known:
            return name
        name = name.rpartition(".")[0]
    return None


def by_module(tree: Tree) -> Graph:
    """Return the modules that each module imports."""
    graph: Graph = {module: set() for module in modules(tree)}
    for each in imports(tree):
        if each.is_ours and each.target in graph and each.target != each.module:
            graph[each.module].add(each.target)
    return graph


def by_package(graph: Graph) -> Graph:
    """Merge the modules of each package into one node. The modules outside the packages are left out."""
    merged: Graph = {}
    for module, targets in graph.items():
        if package := package_of(module):
            found = {package_of(target) for target in targets}
            merged.setdefault(package, set()).update(name for name in found if name and name != package)
    return merged


def cycle(graph: Graph) -> list[str]:
    """Return one cycle of the graph, its first node repeated at the end; an empty list if there is none."""
    done: set[str] = set()
    for start in sorted(graph):
        if found := _cycle_from(start, graph, [], done):
            return found
    return []


def _cycle_from(node: str, graph: Graph, path: list[str], done: set[str]) -> list[str]:
    if node in path:
        return [*path[path.index(node) :], node]
    if node in done:
        return []
    for target in sorted(graph.get(node, set())):
        if found := _cycle_from(target, graph, [*path, node], done):
            return found
    done.add(node)
    return []


def longest_chain(graph: Graph) -> list[str]:
    """Return the longest chain of imports, from its top down. The graph must have no cycle."""
    chains: dict[str, list[str]] = {}

    def chain(node: str) -> list[str]:
        if node not in chains:
            below = [chain(target) for target in sorted(graph.get(node, set()))]
            chains[node] = [node, *max(below, key=len, default=[])]
        return chains[node]

    return max((chain(node) for node in sorted(graph)), key=len, default=[])
