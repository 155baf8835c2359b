"""Imports between packages, held to the table of packages.py, and libraries in their places."""

from collections.abc import Callable

import pytest

from tests.architecture import import_rules, programs
from tests.architecture.imports import by_module, by_package, cycle, longest_chain
from tests.architecture.packages import table
from tests.architecture.tree import ROOT, Tree, is_left_out, working_tree

FLOORS = 8

RULES = [
    import_rules.misplaced_modules,
    import_rules.missing_packages,
    import_rules.forbidden_imports,
    import_rules.reserved_imports,
    import_rules.misplaced_libraries,
    import_rules.wrong_docstrings,
    import_rules.loaded_at_import,
    programs.broken_imports,
]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_sources_follow_the_rule(rule: Callable[[Tree], list[str]]) -> None:
    violations = rule(working_tree())

    assert not violations, "\n".join(violations)


def test_the_table_itself_names_only_packages_of_lower_rows() -> None:
    assert import_rules.upward_entries() == []


def test_no_module_imports_itself_by_way_of_others() -> None:
    assert cycle(by_module(working_tree())) == []


def test_no_package_imports_itself_by_way_of_others() -> None:
    assert cycle(by_package(by_module(working_tree()))) == []


def test_the_packages_have_at_most_eight_floors(record_property: Callable[[str, object], None]) -> None:
    by_file = by_module({path: text for path, text in working_tree().items() if not is_left_out(path)})
    packages = by_package(by_file)
    assert cycle(by_file) == cycle(packages) == []

    modules, floors = longest_chain(by_file), longest_chain(packages)

    arrows = sum(len(targets) for targets in packages.values())
    record_property("figure", f"{len(modules)} modules in the longest chain: {' > '.join(modules)}")
    record_property(
        "figure", f"{len(floors)} floors, {arrows} imports between packages: {' > '.join(floors)}"
    )
    unused = import_rules.unused_entries(working_tree())
    record_property("figure", f"{len(unused)} entries of the table are unused: {'; '.join(unused) or 'none'}")
    assert len(floors) <= FLOORS


def test_docs_architecture_shows_the_table() -> None:
    expected = table(working_tree())

    page = (ROOT / "docs" / "architecture.md").read_text()

    assert expected in page, f"docs/architecture.md should have this table:\n\n{expected}\n"
