"""Rules on imports: each returns its violations, one sentence each."""

import ast
import sys

from tests.architecture.imports import Import, imports, modules
from tests.architecture.packages import (
    ANYWHERE,
    EVERYTHING,
    LOOSE,
    PACKAGES,
    RESERVED,
    docstring_of,
    full_name,
    package_of,
    permitted,
)
from tests.architecture.tree import OURS, Tree, python

_FORM = "Imports: "


def misplaced_modules(tree: Tree) -> list[str]:
    """Find modules that are not in a package of the table."""
    known = modules(tree)
    return [
        f"{known[module]} is in no package of tests/architecture/packages.py"
        for module in known
        if package_of(module) is None and module not in LOOSE
    ]


def missing_packages(tree: Tree) -> list[str]:
    """Find packages of the table that do not exist."""
    known = modules(tree)
    return [f"{each.module} does not exist" for each in PACKAGES.values() if each.module not in known]


def upward_entries() -> list[str]:
    """Find entries of the table itself that name a package of the same or a higher row."""
    wrong = []
    for package in PACKAGES.values():
        for target in permitted(package):
            other = PACKAGES.get(package_of(target) or "")
            if other and other.row >= package.row:
                wrong.append(f"{package.name} (row {package.row}) names {other.name} (row {other.row})")
    return wrong


def forbidden_imports(tree: Tree) -> list[str]:
    """Find imports of ours that the table does not permit."""
    return [str(each) for each in imports(tree) if each.is_ours and not _is_permitted(each)]


def _is_permitted(each: Import) -> bool:
    name = package_of(each.module)
    if name is None:
        allowed = {full_name(target) for target in LOOSE.get(each.module, ())}
        return each.module in LOOSE and (is_within(each.target, allowed) or each.target == each.module)
    if package_of(each.target) == name:
        return True
    return is_within(each.target, permitted(PACKAGES[name]))


def reserved_imports(tree: Tree) -> list[str]:
    """Find imports of a part that is reserved to a few packages."""
    made = imports(tree)
    return [
        f"{each}, which is for {', '.join(users)} only"
        for part, users in RESERVED.items()
        for each in made
        if is_within(each.target, {full_name(part)})
        and not is_within(each.module, {full_name(part), *map(full_name, users)})
    ]


def is_within(module: str, names: set[str]) -> bool:
    """Return whether a module is one of these, or in one. `bot` means only itself, without its packages."""
    return any(module == name or (name != "bot" and module.startswith(f"{name}.")) for name in names)


def misplaced_libraries(tree: Tree) -> list[str]:
    """Find imports of a library outside its places."""
    wrong = []
    for each in imports(tree):
        library = each.target.partition(".")[0]
        if library in OURS or library in sys.stdlib_module_names or is_within(each.target, ANYWHERE):
            continue
        places = library_places(library)
        if not is_within(each.module, places):
            wrong.append(f"{each}; its places: {', '.join(sorted(places)) or 'none'}")
    return wrong


def library_places(library: str) -> set[str]:
    """Return full names of the packages and modules that may import a library."""
    return {
        f"{package.module}.{module}" if module else package.module
        for package in PACKAGES.values()
        if library in package.libraries
        for module in package.libraries[library] or ("",)
    }


def unused_entries(tree: Tree) -> list[str]:
    """Find imports and libraries that the table permits and no module needs."""
    used: dict[str, set[str]] = {name: set() for name in PACKAGES}
    for each in imports(tree):
        used.get(package_of(each.module) or "", set()).add(each.target)
    return [
        f"{package.name} does not import {name}"
        for package in PACKAGES.values()
        for name in [*package.imports, *package.libraries]
        if name != EVERYTHING
        and not any(is_within(target, {name, full_name(name)}) for target in used[package.name])
    ]


def wrong_docstrings(tree: Tree) -> list[str]:
    """Find packages whose docstring lacks a first sentence or the imports that the table has."""
    wrong = []
    for package in PACKAGES.values():
        path = f"{package.module.replace('.', '/')}/__init__.py"
        first, _, rest = docstring_of(tree, package).partition("\n")
        if not first.endswith("."):
            wrong.append(f"{path}: its first line should be one sentence that says what the package is")
        last = " ".join(rest.strip().rpartition("\n\n")[2].split())
        if last != f"{_FORM}{package.listed}.":
            wrong.append(f'{path}: its last paragraph should be "{_FORM}{package.listed}.", not "{last}"')
    return wrong


def loaded_at_import(tree: Tree) -> list[str]:
    """Find `__init__.py` files of `bot.app` with an import: `forgehand --help` would load it each time."""
    return [
        f"{path}:{node.lineno}: an import in an `__init__.py` of bot.app"
        for path, syntax in python(tree, "bot/app")
        if path.endswith("/__init__.py")
        for node in ast.walk(syntax)
        if isinstance(node, ast.Import | ast.ImportFrom)
    ]
