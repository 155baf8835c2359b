"""Select the cases of a table for an ordinary run: each case starts at least one container."""

from collections.abc import Collection

import pytest


def mostly_long(every: Collection[str], ordinary: Collection[str]) -> list[str | pytest.ParameterSet]:
    """Return all cases as parameters; those that are not ordinary run only with --long."""
    assert set(ordinary) <= set(every), set(ordinary) - set(every)
    return [each if each in ordinary else pytest.param(each, marks=pytest.mark.long) for each in every]
