"""Names: unique for classes, standard terms of the field, `Settings` at the end of each section's name."""

from collections.abc import Callable

import pytest

from tests.architecture import names
from tests.architecture.tree import Tree, working_tree


@pytest.mark.parametrize(
    "rule",
    [names.repeated_classes, names.glossary_words, names.misnamed_settings],
    ids=lambda rule: rule.__name__,
)
def test_the_sources_follow_the_rule(rule: Callable[[Tree], list[str]]) -> None:
    violations = rule(working_tree())

    assert not violations, "\n".join([f"{len(violations)} violations", *violations])
