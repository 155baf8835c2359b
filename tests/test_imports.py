"""Imports point one way, and each library has its place. The tables here are the rule.

A module that is in no layer, or a library that has no place, is an error: the
tables are where one decides where a new one belongs.
"""

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

# From the bottom up. A module may import what is in the layers below it, and
# from its own layer; a name stands for the module or the package and all in it.
LAYERS: list[tuple[str, set[str]]] = [
    ("words", {"bot", "bot.errors", "bot.clean", "bot.interrupt", "bot.markdown", "bot.sizes", "bot.times"}),
    ("values", {"bot.model", "bot.spelling", "bot.diffs", "bot.log", "bot.presence", "bot.web.links"}),
    ("contracts", {"bot.urls", "bot.events", "bot.forges.forge", "bot.commands", "bot.policy"}),
    ("rules over contracts", {"bot.context", "bot.triggers", "bot.heard", "bot.late", "bot.forges.payload"}),
    ("adapters", {"bot.forges", "bot.queue", "bot.sandbox", "bot.store"}),
    (
        "uses of one adapter",
        {
            "bot.agents",
            "bot.cancel",
            "bot.comments",
            "bot.gateway",
            "bot.host",
            "bot.intake",
            "bot.job_pool",
            "bot.kinds",
            "bot.keep",
            "bot.line",
            "bot.metrics",
            "bot.out",
            "bot.push",
        },
    ),
    ("verbs", {"bot.tasks", "bot.starting_point", "bot.operator_verbs"}),
    (
        "run, router",
        {
            "bot.house",
            "bot.attempt",
            "bot.bounds",
            "bot.follow",
            "bot.scale",
            "bot.tail",
            "bot.listening",
            "bot.ending",
            "bot.briefing",
            "bot.prepare",
            "bot.leaving",
            "bot.moved",
            "bot.left",
            "bot.elsewhere",
            "bot.removal",
            "bot.removal_attempt",
            "bot.room",
            "bot.settle",
            "bot.verdict",
            "bot.run",
            "bot.router",
        },
    ),
    (
        "what is set going",
        {
            "bot.answer",
            "bot.reply",
            "bot.report",
            "bot.sweep",
            "bot.missed",
            "bot.janitor",
            "bot.orphaned_containers",
            "bot.actors",
            "handlers",
        },
    ),
    ("pages", {"bot.signatures", "bot.webhook", "bot.web"}),
    ("playground", {"bot.playground"}),
    ("settings", {"bot.sections", "bot.forges.sections", "bot.gateway.sections", "bot.settings"}),
    (
        "roots",
        {
            "bot.app",
            "bot.opening",
            "bot.worker",
            "bot.checks",
            "bot.cli",
            "bot.cli_costs",
            "bot.cli_host",
            "bot.cli_options",
            "bot.cli_print",
            "bot.cli_runs",
            "bot.cli_show",
            "bot.cli_workspaces",
            "bot.__main__",
        },
    ),
]

# Not one of these may import another, though they share a layer.
STRANGERS = ["bot.forges", "bot.queue", "bot.sandbox", "bot.store"]

ROOTS = dict(LAYERS)["roots"]

# Who may import a module of ours, where the layers would let more.
RESERVED: dict[str, set[str]] = {
    "bot.sections": {"bot.settings", "bot.forges.sections", "bot.gateway.sections", *ROOTS},
    "bot.forges.sections": {"bot.settings", *ROOTS},
    "bot.gateway.sections": {"bot.settings", *ROOTS},
    "bot.settings": ROOTS,
    "bot.playground": {"bot.cli", "bot.playground"},
    "bot.forges.github": {"bot.forges.github", *ROOTS},
    "bot.forges.gitlab": {"bot.forges.gitlab", *ROOTS},
    "handlers": {"handlers", *ROOTS},
}

# All of ours that these may import.
ENOUGH: dict[str, set[str]] = {
    "bot.playground": {"bot.playground"},
    "handlers": {
        "handlers",
        "bot.commands",
        "bot.router",
        "bot.tasks",
        "bot.line",
        "bot.diffs",
        "bot.triggers",
        "bot.model",
        "bot.spelling",
        "bot.times",
        "bot.errors",
    },
}

ANYWHERE = {"bot", "handlers"}
# Who may import a library. Of SQLAlchemy, everybody may name a Connection and its errors.
LIBRARIES: dict[str, set[str]] = {
    "alembic": {"bot.store"},
    "docker": {"bot.sandbox"},
    "dramatiq": {"bot.queue", "bot.actors", *ROOTS},
    "github": {"bot.forges.github"},
    "gitlab": {"bot.forges.gitlab"},
    "h11": {"bot.gateway"},
    "markdown_it": {"bot.markdown"},
    "prometheus_client": {"bot.metrics", "bot.web"},
    "pydantic": {"bot.sections", "bot.forges.sections", "bot.gateway.sections", "bot.settings"},
    "pydantic_core": {"bot.settings", "bot.intake", "bot.forges"},
    "pydantic_settings": {"bot.settings"},
    "redis": {"bot.queue", "bot.checks"},
    "requests": {"bot.forges", "bot.sandbox"},
    "rich": {"bot.cli_print", "bot.cli_workspaces"},
    "sqlalchemy": {"bot.store"},
    "sqlalchemy.Connection": ANYWHERE,
    "sqlalchemy.exc": ANYWHERE,
    "starlette": {"bot.webhook", "bot.web", "bot.playground", "bot.app"},
    "structlog": ANYWHERE,
    "typer": {
        "bot.cli",
        "bot.cli_costs",
        "bot.cli_host",
        "bot.cli_options",
        "bot.cli_print",
        "bot.cli_runs",
        "bot.cli_show",
    },
    "urllib3": {"bot.forges", "bot.sandbox"},
    "uvicorn": {"bot.web", "bot.playground", "bot.app"},
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


def _layer(module: str) -> int:
    names = {name: level for level, (_, members) in enumerate(LAYERS) for name in members}
    place = _within(module, set(names))
    assert place is not None, f"{module} is in no layer of tests/test_imports.py"
    return names[place]


def test_every_module_has_a_layer_and_the_layers_name_only_modules() -> None:
    for module in MODULES:
        _layer(module)

    assert set().union(*(members for _, members in LAYERS)) - set(MODULES) == set()


def test_no_module_imports_from_a_layer_above_it() -> None:
    wrong = [
        f"{each} (from {LAYERS[_layer(each.module)][0]} up to {LAYERS[_layer(each.wanted)][0]})"
        for each in OURS
        if _layer(each.wanted) > _layer(each.module)
    ]

    assert not wrong, "\n".join(wrong)


def test_adapters_do_not_know_each_other() -> None:
    def adapter(module: str) -> str | None:
        return _within(module, set(STRANGERS)) if LAYERS[_layer(module)][0] == "adapters" else None

    pairs = [(each, adapter(each.module), adapter(each.wanted)) for each in OURS]

    wrong = [str(each) for each, mine, theirs in pairs if mine and theirs and mine != theirs]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("reserved", RESERVED)
def test_what_is_reserved_is_imported_by_its_few(reserved: str) -> None:
    users = [each for each in OURS if _within(each.wanted, {reserved})]

    wrong = [str(each) for each in users if not _within(each.module, RESERVED[reserved])]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("content", ENOUGH)
def test_who_needs_little_imports_little(content: str) -> None:
    made = [each for each in OURS if _within(each.module, {content})]

    wrong = [str(each) for each in made if not _within(each.wanted, ENOUGH[content])]
    assert not wrong, "\n".join(wrong)


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
