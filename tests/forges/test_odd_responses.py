"""Responses of a forge in which one value is not as documented: a refusal, never a bug of ours."""

import copy
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import pytest

from bot.domain.errors import ForgeError
from bot.domain.thread import Actor, Kind
from bot.forges.forge import Forge
from bot.forges.prompt_parts import lines_part
from tests.forges.adapter_calls import HERE, MARKER, anvil, new_change
from tests.forges.conftest import ADAPTERS
from tests.forges.test_thread_history import BEFORE, command
from tests.support.scripted_server import Response, Server

ANN = Actor(id=7, login="ann")
ODD: list[Any] = [
    None,
    True,
    0,
    2**63,
    "x" * 300,
    "a\0b",
    "..",
    "9999-12-31T23:59:59-14:00",
    [],
    {},
    [None],
    {"id": None},
]

ME = {"id": 1, "login": "forgehand", "username": "forgehand", "type": "User"}
BOB = {"id": 8, "login": "bob", "username": "bob", "type": "User"}
TIMES = {"created_at": BEFORE, "updated_at": BEFORE, "submitted_at": BEFORE}
REPOSITORY = {
    "id": 7,
    "full_name": "acme/anvil",
    "path_with_namespace": "acme/anvil",
    "default_branch": "main",
}
COMMENT = {"id": 5, "user": BOB, "author": BOB, "body": MARKER, **TIMES}
ISSUE = {"number": 1, "iid": 1, "title": "Tidy", "body": "", "description": "", "user": BOB, **TIMES}
PULL = {
    "state": "open",
    "head": {"sha": "c0ffee", "ref": "topic", "repo": {"id": 7}},
    "base": {"ref": "main", "repo": {"id": 7, "default_branch": "main"}},
}
MERGE_REQUEST = {
    "state": "opened",
    "sha": "c0ffee",
    "source_branch": "topic",
    "target_branch": "main",
    "source_project_id": 7,
    "target_project_id": 7,
}
ON_LINES = {**COMMENT, "path": "a.py", "line": 1, "diff_hunk": "@@", "pull_request_review_id": 9}
POSITION = {"new_line": 1, "old_line": None, "new_path": "a.py", "old_path": "a.py"}


@dataclass(frozen=True)
class Case:
    """A call to an adapter, the documented responses to it, and its result."""

    call: Callable[[Forge], object]
    responses: list[Any]
    result: object = None


def on_change(forge: Forge) -> Any:
    return replace(command(replace(anvil(forge.name), kind=Kind.CHANGE)), actor=ANN)


def on_lines(forge: Forge) -> Any:
    target = replace(HERE, comment_id=5, discussion="d1")
    return replace(on_change(forge), reply_target=target, context=(lines_part("a.py", 1, ""),))


def texts(forge: Forge) -> list[str]:
    return [part.text for part in forge.history_before(on_change(forge))]


def label_events(forge: Forge) -> list[str]:
    return [event.cause for event in forge.labelled(7, ["tidy"])]


def may_write(forge: Forge) -> bool:
    return forge.may_write(anvil(forge.name), ANN)


def has_label(forge: Forge) -> bool:
    return forge.has_label(anvil(forge.name), "tidy")


def find_comments(forge: Forge) -> list[int]:
    return forge.find_comments(anvil(forge.name), MARKER, HERE)


def head(forge: Forge) -> str:
    return forge.change_head(on_change(forge).thread).head


def open_change(forge: Forge) -> int:
    change = forge.open_change(anvil(forge.name), new_change("topic"))
    return change.number if change else 0


def excerpt_of(forge: Forge) -> str:
    return str(forge.complete(on_lines(forge)).context[0].excerpt)


LABEL_ADDED = {"id": 4, "label": {"name": "tidy"}, "created_at": BEFORE, "actor": BOB, "user": BOB}
LABEL_KEYS = ["label:issue/1:tidy:2026-11-23T07:59:00Z"]
CASES: dict[str, dict[str, Case]] = {
    "github": {
        "may_write": Case(
            may_write, [{"permission": "read", "role_name": "read", "user": {"id": 7}}], result=False
        ),
        "change_head": Case(head, [PULL], "c0ffee"),
        "has_label": Case(has_label, [[{"name": "tidy"}]], result=True),
        "find_comments": Case(find_comments, [ME, [{**COMMENT, "user": ME}]], [5]),
        "history": Case(
            texts,
            [ME, [COMMENT], [{**COMMENT, "id": 6, "state": "APPROVED", "body": "Fine."}], [ON_LINES]],
            [MARKER, "(approved)\n\nFine.", MARKER],
        ),
        "labelled": Case(
            label_events, [REPOSITORY, [ISSUE], [{**LABEL_ADDED, "event": "labeled"}]], LABEL_KEYS
        ),
        "open_change": Case(open_change, [{"number": 3, "html_url": "https://github.com/x"}], 3),
    },
    "gitlab": {
        "may_write": Case(may_write, [{"state": "active", "access_level": 20}], result=False),
        "change_head": Case(head, [MERGE_REQUEST, REPOSITORY], "c0ffee"),
        "has_label": Case(has_label, [{"labels": ["tidy"]}], result=True),
        "find_comments": Case(find_comments, [ME, [{**COMMENT, "author": ME}]], [5]),
        "history": Case(texts, [ME, [{**COMMENT, "position": POSITION}]], [MARKER]),
        "labelled": Case(
            label_events, [REPOSITORY, [ISSUE], [{**LABEL_ADDED, "action": "add"}], []], LABEL_KEYS
        ),
        "open_change": Case(
            open_change,
            [{"commits": [{}], "compare_timeout": False}, {"iid": 3, "web_url": "https://gitlab.com/x"}],
            3,
        ),
        "complete": Case(
            excerpt_of,
            [
                {"notes": [{"id": 5, "position": POSITION}]},
                [{"new_path": "a.py", "old_path": "a.py", "diff": "@@ -1,0 +1 @@\n+new"}],
            ],
            "DiffExcerpt(path='a.py', line=1, hunk='@@ -1,0 +1 @@\\n+new')",
        ),
    },
}
ALL = [(forge, name) for forge, cases in CASES.items() for name in cases]


@pytest.fixture
def forge_name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def places(value: object, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the place of the value and of every value in it."""
    yield place
    if isinstance(value, dict | list):
        for key in value if isinstance(value, dict) else range(len(value)):
            yield from places(value[key], (*place, key))


def changed(responses: list[Any], place: tuple[Any, ...], odd: object) -> list[Response]:
    """Return the responses with another value at one place."""
    changed = copy.deepcopy(responses)
    inner: Any = changed
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = odd
    return [Response(200, each) for each in changed]


@pytest.mark.parametrize("step", [5, pytest.param(1, marks=pytest.mark.long)])
@pytest.mark.parametrize(("forge_name", "name"), ALL, indirect=["forge_name"])
def test_one_odd_value_in_a_response_is_refused_or_does_not_matter(
    scripted: Forge, server: Server, forge_name: str, name: str, step: int
) -> None:
    case = CASES[forge_name][name]
    server.script = [Response(200, each) for each in case.responses]
    assert case.call(scripted) == case.result

    for start, place in enumerate(list(places(case.responses))[1:]):
        for odd in ODD[start % step :: step]:
            if case.responses[0] is ME:  # an adapter asks for its own account only once
                scripted = ADAPTERS[forge_name](url=server.url, token="token-x")
            server.script = changed(case.responses, place, odd)
            with suppress(ForgeError, *([ValueError] if name == "labelled" else [])):
                result = case.call(scripted)
                assert name != "may_write" or result is False, (place, odd)


@pytest.mark.parametrize("forge_name", ["gitlab"], indirect=True)
def test_a_comment_on_lines_without_its_discussion_is_read_without_more_lines(
    scripted: Forge, server: Server, forge_name: str
) -> None:
    event = replace(on_lines(scripted), reply_target=replace(HERE, comment_id=5))

    assert scripted.complete(event) == event
    assert server.asked == []
