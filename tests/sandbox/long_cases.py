"""Which cases of a table run in an ordinary run: each case here starts one container or more."""

from collections.abc import Collection

import pytest


def mostly_long(every: Collection[str], ordinary: Collection[str]) -> list[str | pytest.ParameterSet]:
    """Return all cases as parameters; those that hardly differ from an ordinary one are only for --long."""
    assert set(ordinary) <= set(every), set(ordinary) - set(every)
    return [each if each in ordinary else pytest.param(each, marks=pytest.mark.long) for each in every]
