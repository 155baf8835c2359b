"""The transfer of an issue. GitHub offers it only on its pages, hence the path below `/_playground`."""

from dataclasses import replace
from typing import Any

from bot.playground import git_http, permissions
from bot.playground.calls import Answer, Call, next_iid, next_number
from bot.playground.github import issues, json_shapes
from bot.playground.github.calls import thread
from bot.playground.github.rules import Refused
from bot.playground.state import Comment, Issue, Label, Reaction, Repository, touched


def transfer(call: Call) -> Answer:
    """Move an issue to the repository `to`, as owner/name.

    It gets a new id and number there. Comments go with it, and labels that both repositories have.
    """
    issue, to = thread(call), git_http.find(call.state, str(call.field("to")))
    if issue.head or to is None or not permissions.may(call.state, to, call.user, "write"):
        raise Refused(422, "This issue cannot be transferred there")
    there = replace(call, repository=to)
    fresh = call.state.put(touched(
        issue, id=call.state.new_id(), repository=to.id, number=next_number(call.state, to),
        iid=next_iid(call.state, to, change=False), labels=_known(call, to, issue),
    ))  # fmt: skip
    _take_along(call, issue, fresh)
    call.state.put(touched(issue, moved_to=fresh.id))
    issues.send_event(call, issue, "transferred", changes=_changes("new", call, to, fresh))
    issues.send_event(there, fresh, "opened", changes=_changes("old", call, call.where, issue))
    return Answer(json_shapes.issue(call.state, to, fresh), 201)


def _known(call: Call, to: Repository, issue: Issue) -> tuple[str, ...]:
    names = {label.name for label in call.state.all(Label, lambda row: row.repository == to.id)}
    return tuple(name for name in issue.labels if name in names)


def _take_along(call: Call, issue: Issue, fresh: Issue) -> None:
    place = (issue.repository, issue.number)
    for row in call.state.all(Comment, lambda row: (row.repository, row.number) == place):
        call.state.put(replace(row, repository=fresh.repository, number=fresh.number))
    for given in call.state.all(Reaction, lambda row: row.subject == issue.id):
        call.state.put(replace(given, subject=fresh.id))


def _changes(age: str, call: Call, where: Repository, issue: Issue) -> dict[str, Any]:
    return {
        f"{age}_issue": json_shapes.issue(call.state, where, issue),
        f"{age}_repository": json_shapes.repository(call.state, where),
    }
