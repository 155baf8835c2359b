"""The table of packages: their rows, imports and libraries.

`python -m tests.architecture.packages` prints it as docs/architecture.md shows it.
A package imports packages of lower rows only, and of those only the ones named
here. A package or a library without an entry is an error: this table is the
place to decide where a new one belongs.
"""

import ast
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from tests.architecture.tree import Tree, parsed, working_tree

NOTHING = "nothing of ours"
EVERYTHING = "everything"
BESIDE = 0  # the row of a package that is in no row


@dataclass(frozen=True)
class Package:
    """One package, by its name below `bot`.

    `libraries` maps each library to the modules that may import it, by their names below
    the package; no module means that all of the package may.
    """

    name: str
    row: int
    imports: tuple[str, ...] = ()
    libraries: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def module(self) -> str:
        """Full name of the package."""
        return full_name(self.name)

    @property
    def listed(self) -> str:
        """Imports in the form that the package's docstring has."""
        return ", ".join(self.imports) or NOTHING


def _rows(*rows: Iterable[Package]) -> dict[str, Package]:
    return {package.name: package for row in rows for package in row}


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_ANYWHERE_IN_IT: tuple[str, ...] = ()

PACKAGES = _rows(
    # In no row: a stand-in for a forge that does not use the bot's code. Only `app` starts it.
    [Package("playground", BESIDE, (), dict.fromkeys(_words("git starlette uvicorn"), _ANYWHERE_IN_IT))],
    [Package("domain", 1)],
    [Package("text", 2, _words("domain"), {"markdown_it": ("markdown",)})],
    [
        Package(
            "store", 3, _words("domain"), {"alembic": ("ledger", "migrations"), "sqlalchemy": _ANYWHERE_IN_IT}
        ),
        Package("git", 3, _words("domain text")),
        Package(
            "forges",
            3,
            _words("domain"),
            {
                "github": ("github",),
                "gitlab": ("gitlab",),
                "pydantic_core": _ANYWHERE_IN_IT,
                "requests": _ANYWHERE_IN_IT,
                "urllib3": _ANYWHERE_IN_IT,
            },
        ),
    ],
    [
        Package(
            "sandbox",
            4,
            _words("domain text git"),
            {
                "docker": ("engine", "images"),
                "requests": ("engine", "images"),
                "urllib3": ("engine", "images"),
            },
        ),
        Package("gateway", 4, _words("domain text store"), {"h11": _ANYWHERE_IN_IT}),
        Package("reports", 4, _words("domain text store forges")),
    ],
    [
        Package("agents", 5, _words("domain text gateway.endpoint")),
        Package("tasks", 5, _words("domain text store reports")),
    ],
    [
        Package("commands", 6, _words("domain text store forges reports tasks")),
        Package("runs", 6, _words("domain text store git forges sandbox gateway reports agents tasks")),
        Package(
            "web",
            6,
            _words("domain text store forges reports agents"),
            {
                "jinja2": _ANYWHERE_IN_IT,
                "markupsafe": ("rendering", "task_page", "task_view"),
                "prometheus_client": ("metrics", "health"),
                "pydantic_core": ("json_body",),
                "starlette": _ANYWHERE_IN_IT,
                "uvicorn": ("server",),
            },
        ),
    ],
    [Package("handlers", 7, _words("domain text reports tasks commands"))],
    [
        Package(
            "app",
            8,
            (EVERYTHING,),
            {
                "click": ("cli",),
                "dramatiq": _ANYWHERE_IN_IT,
                "git": ("cli",),
                "pydantic": ("settings",),
                "pydantic_core": ("settings",),
                "pydantic_settings": ("settings",),
                "redis": ("queues", "preflight"),
                "rich": ("cli",),
                "starlette": _ANYWHERE_IN_IT,
                "typer": ("cli",),
            },
        ),
    ],
)

# Modules outside the packages, and what each imports.
LOOSE = {"bot": (), "bot.__main__": ("app",)}

# Parts of packages that only their own package and these import.
RESERVED = {"forges.github": ("forges.registry",), "forges.gitlab": ("forges.registry",)}

# All packages may log, and may use the ledger's connection and its errors.
ANYWHERE = {"structlog", "sqlalchemy.Connection", "sqlalchemy.exc"}


def full_name(name: str) -> str:
    """Name a package, or a module below one, as an import does."""
    return name if name == "handlers" else f"bot.{name}"


def package_of(module: str) -> str | None:
    """Return the package a module is in; None if the table has none."""
    first, _, rest = module.partition(".")
    name = first if first == "handlers" else rest.partition(".")[0]
    return name if name in PACKAGES else None


def permitted(package: Package) -> set[str]:
    """Return full names of the packages and modules that a package may import."""
    if package.row == BESIDE:
        return set()
    names = PACKAGES.keys() - {package.name} if EVERYTHING in package.imports else set(package.imports)
    return {full_name(name) for name in names} | {"bot"}  # the version


def docstring_of(tree: Tree, package: Package) -> str:
    """Read the docstring of a package; "" if it has none."""
    source = tree.get(f"{package.module.replace('.', '/')}/__init__.py", "")
    return ast.get_docstring(parsed(source)) or ""


def table(tree: Tree) -> str:
    """Format the Markdown table of docs/architecture.md, summaries taken from the packages' docstrings."""
    lines = ["| row | package | purpose | imports of ours | libraries |", "|---|---|---|---|---|"]
    for package in sorted(PACKAGES.values(), key=lambda package: package.row or len(PACKAGES)):
        summary = docstring_of(tree, package).partition("\n")[0].rstrip(".")
        libraries = ", ".join(_library(*each) for each in package.libraries.items()) or "none"
        name = package.module.replace(".", "/")
        lines.append(f"| {package.row or 'beside'} | `{name}` | {summary} | {package.listed} | {libraries} |")
    return "\n".join(lines)


def _library(name: str, modules: tuple[str, ...]) -> str:
    return f"{name} ({', '.join(modules)})" if modules else name


if __name__ == "__main__":
    sys.stdout.write(f"{table(working_tree())}\n")
