"""Responses that no forge sends: each method of an adapter returns, or raises an error for the person."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest

from bot.domain.errors import ForgeError
from bot.domain.event import Commented
from bot.domain.thread import Actor, Kind, Part, PartKind, ReplyTarget
from bot.forges.forge import Forge
from bot.forges.gitlab.adapter import GitLab
from tests.forges.adapter_calls import HERE, MARKER, new_change
from tests.forges.test_thread_history import BEFORE, a_thread, command
from tests.support.scripted_server import Response, Server

ODD: tuple[object, ...] = (None, 7, "text", [None], {})

ANN = Actor(id=7, login="ann")
_USER = {"id": 8, "login": "bob", "username": "bob", "type": "User"}
_TIMES = {"created_at": BEFORE, "updated_at": BEFORE, "submitted_at": BEFORE}
_LINES = {"new_path": "a", "old_path": "a", "new_line": 1, "old_line": 1}
_COMMENT = {
    "id": 1,
    "user": _USER,
    "author": _USER,
    "body": MARKER,
    **_TIMES,
    "position": _LINES,
    "path": "a",
}
_REVIEW = {
    **_COMMENT,
    "path": "a",
    "state": "COMMENTED",
    "pull_request_review_id": 3,
    "line": 1,
    "diff_hunk": "@@",
}
_DIFF = {"new_path": "a", "old_path": "a", "diff": "@@ -1 +1 @@\n-x\n+y"}
_LABEL = {"event": "labeled", "action": "add", "label": {"name": "bot"}, "actor": _USER, "user": _USER}
_REPOSITORY = {"id": 7, "full_name": "a/b", "path_with_namespace": "a/b", "default_branch": "main"}
_HEAD = {"head": {"sha": "a", "ref": "t", "repo": {"id": 7}}, "base": {"ref": "main", "repo": _REPOSITORY}}
_CHANGE = {
    "iid": 1,
    "number": 1,
    "web_url": "x",
    "html_url": "x",
    "state": "opened",
    "sha": "a",
    "source_project_id": 7,
    "target_project_id": 7,
    "source_branch": "t",
    "target_branch": "main",
    "labels": ["bot"],
    **_HEAD,
}
_ISSUE = {"iid": 1, "number": 1, "title": "x", "user": _USER, "author": _USER, **_TIMES}
_MEMBER = {"permission": "write", "user": {"id": 7}, "state": "active", "access_level": 30}


def _on_lines(forge: str) -> Commented:
    lines, target = Part(kind=PartKind.LINES, text=""), ReplyTarget(comment_id=1, discussion="d")
    return replace(command(a_thread(forge, Kind.CHANGE)), context=(lines,), reply_target=target)


def _complete(forge: Forge) -> object:
    return forge.complete(_on_lines(forge.name))


def _history(forge: Forge) -> object:
    return forge.history_before(command(a_thread(forge.name, Kind.CHANGE)))


Call = Callable[[Forge], object]
# Each with the data of its responses, in turn, after the response about the bot's own account.
CALLS: dict[str, tuple[Call, dict[str, list[Any]]]] = {
    "may_write": (
        lambda forge: forge.may_write(a_thread(forge.name), ANN),
        {"github": [_MEMBER], "gitlab": [_MEMBER]},
    ),
    "change_head": (
        lambda forge: forge.change_head(a_thread(forge.name, Kind.CHANGE)),
        {"github": [_CHANGE], "gitlab": [_CHANGE, _REPOSITORY]},
    ),
    "has_label": (
        lambda forge: forge.has_label(a_thread(forge.name), "bot"),
        {"github": [[{"name": "bot"}]], "gitlab": [_CHANGE]},
    ),
    "find_comments": (
        lambda forge: forge.find_comments(a_thread(forge.name), MARKER, HERE),
        {"github": [[_COMMENT]], "gitlab": [[_COMMENT]]},
    ),
    "labelled": (
        lambda forge: forge.labelled(7, ["bot"]),
        {
            "github": [_REPOSITORY, [_ISSUE], [{**_LABEL, **_TIMES}]],
            "gitlab": [_REPOSITORY, [_ISSUE], [{**_LABEL, **_TIMES, "id": 1}], []],
        },
    ),
    "history_before": (
        _history,
        {
            "github": [[_COMMENT], [_REVIEW], [_REVIEW]],
            "gitlab": [[_COMMENT]],
        },
    ),
    "complete": (_complete, {"github": [], "gitlab": [{"notes": [_COMMENT]}, [_DIFF]]}),
    "open_change": (
        lambda forge: forge.open_change(a_thread(forge.name), new_change("t")),
        {"github": [_CHANGE], "gitlab": [{"commits": [{}]}, _CHANGE]},
    ),
}


def _variants(data: Any) -> Iterator[Any]:
    """Yield the data with each of its values replaced by each odd one."""
    yield from ODD
    for key in list(data) if isinstance(data, dict) else range(len(data)) if isinstance(data, list) else []:
        for variant in _variants(data[key]):
            changed = deepcopy(data)
            changed[key] = variant
            yield changed


@pytest.mark.parametrize("call", CALLS)
def test_a_strange_response_is_never_a_bug_of_ours(scripted: Forge, server: Server, call: str) -> None:
    method, by_forge = CALLS[call]
    responses = by_forge[scripted.name]
    server.script = [Response(200, _USER)]
    scripted.whoami()
    server.script = [Response(200, data) for data in responses]
    method(scripted)
    assert server.script == []

    for place, data in enumerate(responses):
        for variant in _variants(data):
            changed = [*responses[:place], variant, *responses[place + 1 :]]
            server.script = [Response(200, each) for each in changed]
            with suppress(ForgeError):  # every other error fails the test
                method(scripted)


@pytest.mark.parametrize("data", [{}, {"user": {"id": 7}}, {"state": "active"}, []])
def test_an_unreadable_permission_is_an_error_and_not_a_refusal(
    scripted: Forge, server: Server, data: object
) -> None:
    server.script = [Response(200, data)]

    with pytest.raises(ForgeError, match="response cannot be read"):
        scripted.may_write(a_thread(scripted.name), ANN)


def test_without_its_discussion_a_comment_on_lines_has_no_lines(server: Server) -> None:
    server.script = [Response(404, {"message": "404 Discussion Not Found"})]

    assert _complete(GitLab(url=server.url, token="token-x")) == _on_lines("gitlab")
