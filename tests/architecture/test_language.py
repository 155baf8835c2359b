"""Docstrings, comments, log events and sentences for people follow the rules of language_rules.py."""

from tests.architecture.language import findings, unused_exceptions
from tests.architecture.tree import working_tree


def test_texts_follow_the_rules() -> None:
    found = findings(working_tree())

    assert not found, "\n".join([f"{len(found)} findings", *map(str, found)])


def test_each_exception_is_needed() -> None:
    assert unused_exceptions(working_tree()) == []
