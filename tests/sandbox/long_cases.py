"""Select the cases of a table for an ordinary run: each case starts at least one container."""

from collections.abc import Collection, Iterator

import pytest


def mostly_long(every: Collection[str], ordinary: Collection[str]) -> list[str | pytest.ParameterSet]:
    """Return all cases as parameters; those that are not ordinary run only with --long."""
    assert set(ordinary) <= set(every), set(ordinary) - set(every)
    return [each if each in ordinary else pytest.param(each, marks=pytest.mark.long) for each in every]


def only_long(*values: str) -> Iterator[pytest.ParameterSet]:
    """Return further cases of the same kinds; each starts three containers."""
    return (pytest.param(value, marks=pytest.mark.long) for value in values)
