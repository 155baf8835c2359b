"""Deliveries in which one value is not as documented: events, or an error that does not quote the value."""

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest

from bot.forges.github.events import parse as parse_github
from bot.forges.gitlab.events import parse as parse_gitlab
from tests.forges.github.real_payloads import SAYS, real
from tests.forges.gitlab.hook_payloads import API, BOB, changes_hook, note_on_change, note_on_issue
from tests.forges.test_odd_responses import ODD, places

POSITION = {"new_path": "a", "old_path": "b", "new_line": 3, "old_line": None}
PEOPLE = {name: {"previous": [], "current": [BOB]} for name in ("assignees", "reviewers")}
GITLAB = {
    "comment": ("Note Hook", note_on_issue()),
    "comment-on-lines": ("Note Hook", note_on_change(type="DiffNote", position=POSITION)),
    "label": ("Issue Hook", changes_hook("issue", {"labels": {"previous": [], "current": [API]}})),
    "people": ("Merge Request Hook", changes_hook("merge_request", PEOPLE)),
}
SECRETIVE = "what a person wrote"  # as a value that no error may quote


def with_odd_values(payload: Any, odd: list[Any]) -> Iterator[bytes]:
    """Yield the payload with another value in each place, down to three levels."""
    for place in places(payload):
        if 0 < len(place) <= 3:
            changed = copy.deepcopy(payload)
            inner = changed
            for key in place[:-1]:
                inner = inner[key]
            for value in odd:
                inner[place[-1]] = value
                yield json.dumps(changed).encode()


def check(parse: Any, event: str, payload: Any) -> None:
    """Check that every changed payload is read or refused, and that no refusal quotes it."""
    assert parse(event, json.dumps(payload).encode())
    refusals = 0
    for body in with_odd_values(payload, [*ODD, SECRETIVE]):
        try:
            parse(event, body)
        except ValueError as error:
            refusals += 1
            assert not any(value in str(error) for value in (SECRETIVE, "xxx", "9999"))  # noqa: PT017
    assert refusals > 20


@pytest.mark.parametrize(("event", "action"), sorted(SAYS))
def test_an_odd_value_in_a_delivery_of_github_is_read_or_refused(event: str, action: str) -> None:
    check(parse_github, event, real(event, action))


@pytest.mark.parametrize("name", GITLAB)
def test_an_odd_value_in_a_delivery_of_gitlab_is_read_or_refused(name: str) -> None:
    check(parse_gitlab, *GITLAB[name])
