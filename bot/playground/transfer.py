"""An issue moves to another repository, which only GitHub's pages offer; hence under `/_playground`."""

from dataclasses import replace
from typing import Any

from bot.playground import api_issues, git_http, rules, shapes
from bot.playground.calls import Answer, Call, next_iid
from bot.playground.rules import Refused
from bot.playground.state import Comment, Issue, Label, Reaction, Repository, touched


def transfer(call: Call) -> Answer:
    """`to`: owner/name. It gets a new id and number there; comments, and labels both know, go with it."""
    issue, to = call.issue(), git_http.find(call.state, str(call.field("to")))
    if issue.head or to is None or not rules.may(call.state, to, call.user, "write"):
        raise Refused(422, "This issue cannot be transferred there")
    there = replace(call, repository=to)
    fresh = call.state.put(touched(
        issue, id=call.state.new_id(), repository=to.id, number=api_issues.next_number(there),
        iid=next_iid(call.state, to, change=False), labels=_known(call, to, issue),
    ))  # fmt: skip
    _take_along(call, issue, fresh)
    call.state.put(touched(issue, moved_to=fresh.id))
    api_issues.tell(call, issue, "transferred", changes=_changes("new", call, to, fresh))
    api_issues.tell(there, fresh, "opened", changes=_changes("old", call, call.where, issue))
    return Answer(shapes.issue(call.state, to, fresh), 201)


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
        f"{age}_issue": shapes.issue(call.state, where, issue),
        f"{age}_repository": shapes.repository(call.state, where),
    }
