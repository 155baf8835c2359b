"""The documents match the code: samples run, targets of links exist, and named files exist."""

import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import handlers
from bot.commands.options import _READ
from bot.commands.router import Router
from bot.domain.command import Need
from bot.domain.errors import NotUnderstood
from bot.domain.outcomes import ENDINGS
from bot.store.ledger import Ledger
from bot.tasks.verbs import Tasks
from tests.architecture.language_rules import RULES, is_excused
from tests.architecture.tree import ROOT, working_tree
from tests.support.commander import Say

PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
HANDLERS = (ROOT / "docs" / "handlers.md").read_text()
SAMPLES = {"handlers/where.py", "tests/handlers/test_where.py"}  # readers of the page create them
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PROGRAMS = {"docker", "forgehand", "npm", "pip", "podman"}  # phrases that begin with these are commands
REGISTRATIONS = [text for text in BLOCK.findall(HANDLERS) if '@router.command("where"' in text]
BEFORE = re.compile(r"^ +\| `[^`]+` \|", re.MULTILINE)
FENCED = re.compile(r"^```.*?^```$|^(?:    [^\n]*\n)+", re.MULTILINE | re.DOTALL)
CONFLICT = re.compile(r"^(?:<<<<<<<|=======|>>>>>>>)(?: .*)?$", re.MULTILINE)  # as git writes them
LINK = re.compile(r"\]\(([^)\s]+)\)")
# A path of the repository, as the documents write one; those of `bot/` may be without it.
NAMED = re.compile(r"(?<![\w/<>.-])((?:[a-z_]+/)+[\w.-]+\.(?:py|sh|css|toml|Dockerfile))\b")


def _id(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("page", PAGES, ids=_id)
def test_every_link_refers_to_an_existing_file_and_heading(page: Path) -> None:
    assert [target for target in LINK.findall(page.read_text()) if not _exists_at(page, target)] == []


@pytest.mark.parametrize("page", PAGES, ids=_id)
def test_every_page_follows_the_rules_of_language(page: Path) -> None:
    # A table row of the changelog may quote the name that something had before.
    text = " ".join(BEFORE.sub("|", FENCED.sub("", page.read_text())).split())
    matches = [(rule, match) for rule in RULES for match in rule.pattern.finditer(text)]

    assert [
        f"{text[max(0, match.start() - 40) : match.end() + 40]}: {rule.advice}"
        for rule, match in matches
        if not is_excused(rule, text, match)
    ] == []


@pytest.mark.parametrize("page", PAGES, ids=_id)
def test_no_page_has_the_marks_of_a_conflict(page: Path) -> None:
    assert CONFLICT.findall(page.read_text()) == []


@pytest.mark.parametrize("page", PAGES, ids=_id)
def test_every_named_file_exists(page: Path) -> None:
    named = set(NAMED.findall(page.read_text()))

    assert [path for path in sorted(named - SAMPLES) if not _exists(path)] == []


def test_every_log_event_that_operators_look_for_is_logged() -> None:
    quoted = re.findall(r"`([a-z]+(?: [a-z]+)+)`", (ROOT / "docs" / "operating.md").read_text())
    events = [phrase for phrase in quoted if phrase.split()[0] not in PROGRAMS]
    sources = "".join(text for name, text in working_tree().items() if name.startswith("bot/"))

    assert events
    assert [event for event in events if f'"{event}' not in sources] == []


def test_the_page_for_operators_has_every_outcome_with_its_state_sentence_and_next_command() -> None:
    page = (ROOT / "docs" / "operating.md").read_text()
    section = page.partition("\n## Outcomes\n")[2].partition("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("| `")]

    assert rows == [
        f"| `{outcome}` | `{ending.state}` | {ending.mark} {ending.sentence} "
        f"| {_commands(ending.next, ending.also)} |"
        for outcome, ending in ENDINGS.items()
    ]


def test_architecture_lists_every_decision_by_its_title() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text()

    for decision in sorted((ROOT / "docs" / "adr").glob("*.md")):
        title = decision.read_text().partition("\n")[0].removeprefix("# ")
        assert f"- [{title}](adr/{decision.name})" in page


def test_the_sample_test_passes_on_the_sample_handler(sqlite_ledger: Ledger) -> None:
    router = Router(handlers.router, _run(_block('"""`/where`: '))["router"])
    sample = _run(_block('"""`/where`, on threads'))
    tests = [test for name, test in sample.items() if name.startswith("test_")]

    assert len(tests) == 2
    for test in reversed(tests):  # the test without a task first, because both share a ledger
        test(Say(sqlite_ledger, router))


def test_the_page_about_handlers_quotes_the_reply_to_a_mistyped_command(sqlite_ledger: Ledger) -> None:
    router = Router(handlers.router, _run(_block('"""`/where`: '))["router"])

    with pytest.raises(NotUnderstood) as refusal:
        Say(sqlite_ledger, router)("/forgehand were")

    quoted = " ".join(HANDLERS.split())
    assert str(refusal.value).removesuffix(" `/help` lists the commands.") in quoted


def test_the_page_about_handlers_shows_the_table_of_handlers_with_the_sample() -> None:
    table = (ROOT / "handlers" / "__init__.py").read_text()

    sample = _block("from bot.commands.router import Router\nfrom handlers import")

    assert sample.replace(", where\n", "\n").replace("    where.router,\n", "") in table


@pytest.mark.parametrize("block", REGISTRATIONS)
def test_every_sample_of_a_registration_is_accepted(block: str) -> None:
    function = "" if "def where" in block else "def where(command, tasks):\n    return ''\n"

    module = _run(f"from bot.commands.router import Router\nrouter = Router()\n{block}{function}")

    assert list(module["router"].routes) == ["where"]


def test_the_page_about_handlers_names_every_verb_option_and_need() -> None:
    verbs = [f"`{name}`" for name in vars(Tasks) if not name.startswith("_") and callable(vars(Tasks)[name])]
    expected = [*verbs, *(f"--{name}" for name in _READ), *(f"Need.{need.name}" for need in Need)]

    assert [name for name in expected if name not in HANDLERS] == []


def _commands(*commands: str) -> str:
    return " or ".join(f"`{command}`" for command in commands if command)


def _block(start: str) -> str:
    """Return the code block of handlers.md that starts with this text."""
    blocks: list[str] = [text for text in BLOCK.findall(HANDLERS) if text.startswith(start)]
    assert len(blocks) == 1
    return blocks[0]


def _run(source: str) -> dict[str, Any]:
    module = ModuleType("sample")
    exec(source, vars(module))
    return vars(module)


def _exists_at(page: Path, target: str) -> bool:
    if re.match(r"[a-z]+:", target):
        return True  # another site
    name, _, heading = target.partition("#")
    file = page.parent / name if name else page
    return file.exists() and (not heading or heading in _headings(file))


def _headings(page: Path) -> Iterator[str]:
    """Return the anchors of a page, as GitHub and GitLab derive them from its headings."""
    for heading in re.findall(r"^#+ (.+)$", FENCED.sub("", page.read_text()), re.MULTILINE):
        yield re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def _exists(path: str) -> bool:
    return any((ROOT / folder / path).is_file() for folder in ("", "bot"))
