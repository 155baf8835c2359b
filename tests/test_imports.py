"""Imports point one way, and each library has its place. The tables here are the rule.

A module that is in no layer, or a library that has no place, is an error: the
tables are where one decides where a new one belongs.
"""

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent

ANYWHERE = {"bot", "handlers"}
# Who may import a library. Of SQLAlchemy, everybody may name a Connection and its errors.
LIBRARIES: dict[str, set[str]] = {
    "alembic": {"bot.store"},
    "docker": {"bot.sandbox"},
    "dramatiq": {
        "bot.app.queues",
        "bot.app.actors",
        "bot.app.processes",
        "bot.app.worker",
        "bot.app.cli.main",
        "bot.app.cli.run",
    },
    "github": {"bot.forges.github"},
    "gitlab": {"bot.forges.gitlab"},
    "h11": {"bot.gateway"},
    "markdown_it": {"bot.text.markdown"},
    "prometheus_client": {"bot.web.metrics", "bot.web"},
    "pydantic": {
        "bot.app.settings.sections",
        "bot.app.settings.forges",
        "bot.app.settings.gateway",
        "bot.app.settings.load",
    },
    "pydantic_core": {"bot.app.settings.load", "bot.web.recorder", "bot.forges"},
    "pydantic_settings": {"bot.app.settings.load"},
    "redis": {"bot.app.queues", "bot.app.preflight"},
    "requests": {"bot.forges", "bot.sandbox"},
    "rich": {"bot.app.cli.output", "bot.app.cli.workspaces"},
    "sqlalchemy": {"bot.store", "bot.domain"},
    "sqlalchemy.Connection": ANYWHERE,
    "sqlalchemy.exc": ANYWHERE,
    "starlette": {"bot.web.receiver", "bot.web", "bot.playground", "bot.app.processes"},
    "structlog": ANYWHERE,
    "typer": {
        "bot.app.cli.main",
        "bot.app.cli.costs",
        "bot.app.cli.images",
        "bot.app.cli.options",
        "bot.app.cli.output",
        "bot.app.cli.run",
        "bot.app.cli.tasks",
    },
    "urllib3": {"bot.forges", "bot.sandbox"},
    "uvicorn": {"bot.web", "bot.playground", "bot.app.processes"},
}


@dataclass(frozen=True)
class Import:
    """One imported name: `wanted` is the module, or module and name where that is no module of ours."""

    module: str
    wanted: str
    where: str  # file:line

    def __str__(self) -> str:
        return f"{self.where}: {self.module} imports {self.wanted}"


def _modules() -> dict[str, Path]:
    found = {}
    for package in ("bot", "handlers"):
        for path in (ROOT / package).rglob("*.py"):
            parts = path.relative_to(ROOT).with_suffix("").parts
            found[".".join(parts).removesuffix(".__init__")] = path
    return found


MODULES = _modules()


def _imports() -> Iterator[Import]:
    for module, path in MODULES.items():
        for node in ast.walk(ast.parse(path.read_text())):
            where = f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 0)}"
            if isinstance(node, ast.Import):
                yield from (Import(module, alias.name, where) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{where}: a relative import"
                names = [f"{node.module}.{alias.name}" for alias in node.names]
                yield from (Import(module, _ours(name) or name, where) for name in names)


def _ours(name: str) -> str | None:
    """The module of ours that `name` is, or is in."""
    while name:
        if name in MODULES:
            return name
        name = name.rpartition(".")[0]
    return None


ALL = list(_imports())
OURS = [each for each in ALL if each.wanted.split(".")[0] in ANYWHERE]
THEIRS = [each for each in ALL if each.wanted.split(".")[0] not in {*ANYWHERE, *sys.stdlib_module_names}]


def _within(name: str, places: set[str]) -> str | None:
    """The longest of `places` that is `name`, or a package it is in. "bot" is only itself there."""
    while name:
        if name in places:
            return name
        name = name.rpartition(".")[0]
        if name == "bot":
            return None
    return None


def test_libraries_are_imported_only_in_their_places() -> None:
    wrong = []
    for each in THEIRS:
        place = _within(each.wanted, set(LIBRARIES))
        if place is None:
            wrong.append(f"{each}, which has no place")
        elif LIBRARIES[place] != ANYWHERE and not _within(each.module, LIBRARIES[place]):
            wrong.append(f"{each}, whose place is {', '.join(sorted(LIBRARIES[place]))}")

    assert not wrong, "\n".join(wrong)


def test_there_are_no_cycles() -> None:
    imports = {
        module: {each.wanted for each in OURS if each.module == module} - {module} for module in MODULES
    }
    left = dict(imports)
    while off := [
        each for each, wanted in left.items() if not wanted & left.keys() or not _wanted(each, left)
    ]:
        for module in off:  # it imports nothing that is left, or nothing that is left imports it
            del left[module]

    assert not left, "\n".join(
        f"{module} -> {sorted(wanted & left.keys())}" for module, wanted in left.items()
    )


def _wanted(module: str, imports: dict[str, set[str]]) -> bool:
    return any(module in wanted for wanted in imports.values())
