"""Imports of packages and libraries match the table of packages.py."""

from collections.abc import Callable

import pytest

from tests.architecture import import_rules, programs
from tests.architecture.imports import by_module, by_package, cycle, longest_chain
from tests.architecture.packages import table
from tests.architecture.tree import ROOT, Tree, is_left_out, working_tree

LONGEST_CHAIN = 8

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


def test_every_package_of_the_table_imports_only_packages_of_lower_rows() -> None:
    assert import_rules.upward_entries() == []


def test_imports_of_modules_have_no_cycle() -> None:
    assert cycle(by_module(working_tree())) == []


def test_imports_between_packages_have_no_cycle() -> None:
    assert cycle(by_package(by_module(working_tree()))) == []


def test_the_longest_chain_of_packages_has_at_most_eight_packages(
    record_property: Callable[[str, object], None],
) -> None:
    by_file = by_module({path: text for path, text in working_tree().items() if not is_left_out(path)})
    packages = by_package(by_file)
    assert cycle(by_file) == cycle(packages) == []

    modules, longest = longest_chain(by_file), longest_chain(packages)

    arrows = sum(len(targets) for targets in packages.values())
    record_property("figure", f"{len(modules)} modules in the longest chain: {' > '.join(modules)}")
    record_property("figure", f"{len(longest)} packages in the longest chain: {' > '.join(longest)}")
    record_property("figure", f"{arrows} imports between packages")
    unused = import_rules.unused_entries(working_tree())
    record_property("figure", f"{len(unused)} entries of the table are unused: {'; '.join(unused) or 'none'}")
    assert len(longest) <= LONGEST_CHAIN


def test_docs_architecture_shows_the_table() -> None:
    expected = table(working_tree())

    page = (ROOT / "docs" / "architecture.md").read_text()

    assert expected in page, f"docs/architecture.md should have this table:\n\n{expected}\n"
