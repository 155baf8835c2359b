"""The rules on made-up trees: each rule finds its violation, and a correct tree has none."""

from collections.abc import Callable

import pytest

from tests.architecture import import_rules, names, programs
from tests.architecture.imports import by_module, by_package, cycle, imports, longest_chain
from tests.architecture.language import findings
from tests.architecture.packages import PACKAGES, Package
from tests.architecture.sizes import long_ones
from tests.architecture.strings import texts
from tests.architecture.texts import compare
from tests.architecture.tree import Tree

Rule = Callable[[Tree], list[str]]


def _init(package: Package) -> str:
    return f'"""The {package.name}.\n\nImports: {package.listed}.\n"""\n'


CORRECT: Tree = {
    "bot/__init__.py": '"""A bot."""\n',
    "bot/__main__.py": "from bot.app.cli import main\n",
    "bot/app/cli/__init__.py": "",
    "bot/app/cli/main.py": "import typer\n\nfrom bot.playground import app\n",
    "bot/playground/app.py": "import git\n",
    "tests/journeys/world.py": 'P = "from bot.app import cli\\nfrom bot.agents.environment import SOCKET"\n',
    "bot/agents/environment.py": "from bot.gateway.endpoint import SOCKET\n",
    "bot/forges/github/verifier.py": "import github\n",
    "bot/gateway/endpoint.py": "import structlog\nfrom sqlalchemy import Connection\n",
    "bot/sandbox/engine/containers.py": "import docker\n",
    **{f"{each.module.replace('.', '/')}/__init__.py": _init(each) for each in PACKAGES.values()},
}


@pytest.mark.parametrize(
    "rule",
    [
        import_rules.misplaced_modules,
        import_rules.missing_packages,
        import_rules.forbidden_imports,
        import_rules.reserved_imports,
        import_rules.misplaced_libraries,
        import_rules.wrong_docstrings,
        import_rules.loaded_at_import,
        programs.broken_imports,
        names.repeated_classes,
        names.glossary_words,
        names.misnamed_settings,
    ],
    ids=lambda rule: rule.__name__,
)
def test_a_correct_tree_has_no_violation(rule: Rule) -> None:
    assert rule(CORRECT) == []


@pytest.mark.parametrize(
    ("rule", "path", "source"),
    [
        (import_rules.misplaced_modules, "bot/util.py", ""),
        (import_rules.misplaced_modules, "bot/helpers/__init__.py", ""),
        (import_rules.forbidden_imports, "bot/domain/task.py", "from bot.text import markdown"),
        (import_rules.forbidden_imports, "bot/store/runs.py", "from bot.git import mirror"),
        (import_rules.forbidden_imports, "bot/agents/claude.py", "from bot.gateway import budget"),
        (
            import_rules.forbidden_imports,
            "bot/commands/answer.py",
            "def late():\n    import bot.runs.execute",
        ),
        (import_rules.forbidden_imports, "bot/playground/git.py", "from bot import __version__"),
        (import_rules.forbidden_imports, "bot/web/server.py", "from bot.playground import app"),
        (import_rules.forbidden_imports, "bot/runs/execute.py", "from handlers import run"),
        (import_rules.reserved_imports, "bot/web/receiver.py", "from bot.forges.github import verifier"),
        (import_rules.misplaced_libraries, "bot/sandbox/export/workspace_export.py", "import docker"),
        (import_rules.misplaced_libraries, "bot/runs/execute.py", "from sqlalchemy import select"),
        (import_rules.misplaced_libraries, "bot/app/actors.py", "import typer"),
        (import_rules.misplaced_libraries, "bot/text/units.py", "import humanize"),
        (import_rules.wrong_docstrings, "bot/text/__init__.py", '"""Text.\n\nImports: domain, git.\n"""'),
        (import_rules.wrong_docstrings, "bot/domain/__init__.py", '"""Imports: nothing of ours."""'),
        (import_rules.loaded_at_import, "bot/app/cli/__init__.py", "from bot.app.cli.main import main"),
        (programs.broken_imports, "tests/journeys/world.py", 'P = "from bot.agents import codex"'),
        (
            programs.broken_imports,
            "tests/journeys/world.py",
            'P = f"""\nfrom bot.app.worker import work\n"""',
        ),
        (names.repeated_classes, "bot/runs/plan.py", "class Plan: ...\nclass Inner:\n    class Plan: ..."),
        (names.glossary_words, "bot/runs/house.py", ""),
        (names.glossary_words, "bot/runs/access.py", "def open_gate() -> None: ..."),
        (names.glossary_words, "bot/runs/access.py", "class HeardBefore: ..."),
        (names.glossary_words, "bot/tasks/enqueue.py", "def place_in_line() -> int: ..."),
        (names.glossary_words, "bot/store/workspaces.py", "def keep() -> None: ..."),
        (names.glossary_words, "tests/support/builders.py", "def build(house: object) -> None: ..."),
        (names.misnamed_settings, "bot/app/settings/sections.py", "class Server(Section): ..."),
    ],
    ids=lambda value: value.__name__ if callable(value) else str(value).split("\n")[0],
)
def test_each_rule_finds_its_violation(rule: Rule, path: str, source: str) -> None:
    violations = rule({**CORRECT, path: source})

    assert len(violations) == 1
    assert path in violations[0]


@pytest.mark.parametrize(
    "source",
    ["def one_line() -> str: ...", "class CommandLineAgent: ...", "def read(line: str) -> None: ..."],
)
def test_names_for_lines_of_text_are_permitted(source: str) -> None:
    assert names.glossary_words({"bot/text/markdown.py": source}) == []


def test_a_relative_import_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^bot/text/units\.py:1: a relative import$"):
        imports({"bot/text/units.py": "from . import markdown"})


def test_cycles_and_chains_are_found_by_module_and_by_package() -> None:
    tree = {
        "bot/store/ledger.py": "",
        "bot/store/runs.py": "from bot.store import ledger",
        "bot/tasks/verbs.py": "from bot.store import runs",
    }
    knot = {**tree, "bot/store/ledger.py": "from bot.tasks import enqueue", "bot/tasks/enqueue.py": ""}

    assert longest_chain(by_module(tree)) == ["bot.tasks.verbs", "bot.store.runs", "bot.store.ledger"]
    assert longest_chain(by_package(by_module(tree))) == ["tasks", "store"]
    assert cycle(by_module(knot)) == []
    assert cycle(by_package(by_module(knot))) == ["store", "tasks", "store"]


@pytest.mark.parametrize(
    ("source", "rule"),
    [
        ('def f():\n    """What the run left."""', "function"),
        ('def f():\n    """False: there is one."""', "function"),
        ('class A:\n    """How it ended."""', "noun phrase"),
        ("# None where there is none\n", "condition"),
        ("# the log has\n# what was used\n", "noun clause"),
        ('log.info("run let go")', "word"),
        ('raise ValueError(f"{name} is no folder")', "is no"),
    ],
)
def test_unclear_english_is_found(source: str, rule: str) -> None:
    assert [each.rule for each in findings({"bot/runs/execute.py": source})] == [rule]


@pytest.mark.parametrize(
    "source",
    [
        'def f():\n    """Return the folder where the log is."""',
        'class A:\n    @property\n    def b(self):\n        """Name of the branch."""',
        "# What is the branch?\n",
        'log.info("workspace is no longer needed")',
    ],
)
def test_plain_english_has_no_finding(source: str) -> None:
    assert findings({"bot/runs/execute.py": source}) == []


def test_strings_are_listed_with_their_kinds_and_functions() -> None:
    tree = {
        "bot/domain/errors.py": "class BotError(Exception): ...\nclass NotPossible(BotError): ...",
        "bot/runs/execute.py": (
            'def go():\n    log.info("started", run="run of today")\n'
            '    raise NotPossible(f"Run {number + 1} ended.")'
        ),
        "bot/reports/comments.py": 'LEAD = "The run\\nfailed."\nKEY = "lead"',
        "bot/app/cli/main.py": '@app.command()\ndef up():\n    """Start everything."""',
        "bot/web/templates/task.html": '<h1 class="a b">{# no #}Task</h1>\n{% if x %}\n<p>It is {{ x }}.</p>',
    }

    assert [str(each) for each in texts(tree) if each.kind != "docstring"] == [
        "bot/runs/execute.py:2: log: go: started",
        "bot/runs/execute.py:2: comment: go: run of today",
        "bot/runs/execute.py:3: error: go: Run {…} ended.",
        "bot/reports/comments.py:1: comment: (module): The run failed.",
        "bot/app/cli/main.py:3: terminal: up: Start everything.",
        "bot/web/templates/task.html:1: page: (module): Task",
        "bot/web/templates/task.html:3: page: (module): It is {…}.",
    ]


def test_a_moved_string_is_unchanged_and_a_reworded_one_is_counted_once() -> None:
    old = texts({"bot/comments.py": 'A = "The run failed."\nB = "It is no file."\nC = "That was all."'})
    new = texts({"bot/reports/phrases.py": 'A = "The run failed."\nB = "It is not a file."'})

    comment = compare(old, new)[0]

    assert str(comment) == "comment: 2 strings, 1 unchanged, 1 rewritten, 0 new, 1 removed"


def test_long_modules_and_functions_are_listed() -> None:
    tree = {"bot/runs/execute.py": "def go():\n" + "    pass\n" * 250}

    assert list(long_ones(tree)) == [
        "bot/runs/execute.py: 251 lines",
        "bot/runs/execute.py:1: go has 251 lines",
    ]
