"""Assignees of a thread and reviewers of a pull request."""

from bot.playground import permissions
from bot.playground.calls import Answer, Call
from bot.playground.github import issues, json_shapes, pull_shapes
from bot.playground.github.calls import Route, thread
from bot.playground.github.pulls import found
from bot.playground.github.rules import Refused
from bot.playground.state import Collaborator, Issue, User, touched


def _named(call: Call, field: str) -> list[User]:
    """Return the users named in a list of logins, without unknown ones."""
    names = {str(name).lower() for name in call.field(field) or ()}
    return call.state.all(User, lambda user: user.login.lower() in names)


def assign(call: Call) -> Answer:
    """Add assignees. GitHub silently ignores users who cannot be assigned, and callers who may not assign."""
    issue = thread(call)
    for who in _named(call, "assignees") if _may(call, call.user) else ():
        if who.login not in issue.assignees and _may(call, who):
            issue = call.state.put(touched(issue, assignees=(*issue.assignees, who.login)))
            _send_event(call, issue, "assigned", who)
    return Answer(json_shapes.issue(call.state, call.where, issue), 201)


def unassign(call: Call) -> Answer:
    issue = thread(call)
    for who in _named(call, "assignees") if _may(call, call.user) else ():
        if who.login in issue.assignees:
            left = tuple(login for login in issue.assignees if login != who.login)
            issue = call.state.put(touched(issue, assignees=left))
            _send_event(call, issue, "unassigned", who)
    return Answer(json_shapes.issue(call.state, call.where, issue))


def _may(call: Call, who: User | None) -> bool:
    return permissions.may(call.state, call.where, who, "triage")


def _send_event(call: Call, issue: Issue, action: str, who: User) -> None:
    issues.send_event(call, issue, action, assignee=json_shapes.user(call.state, who.login))


def request_review(call: Call) -> Answer:
    pull, asked = found(call), _named(call, "reviewers")
    if any(who.login == pull.author for who in asked):
        raise Refused(422, "Review cannot be requested from pull request author.")
    if len(asked) < len(call.field("reviewers") or ()) or not all(_collaborates(call, who) for who in asked):
        raise Refused(
            422,
            "Reviews may only be requested from collaborators. One or more of the users or teams "
            f"you specified is not a collaborator of the {call.where.path} repository.",
        )
    for who in asked:
        if who.login not in pull.reviewers:
            pull = call.state.put(touched(pull, reviewers=(*pull.reviewers, who.login)))
            shown = json_shapes.user(call.state, who.login)
            issues.send_event(call, pull, "review_requested", requested_reviewer=shown)
    return Answer(pull_shapes.brief(call.state, call.where, pull), 201)


def _collaborates(call: Call, who: User) -> bool:
    given = (call.where.id, who.login)
    rows = call.state.all(Collaborator, lambda row: (row.repository, row.login) == given)
    return bool(rows) or who.login == call.where.owner


ROUTES = (
    Route("POST", "/issues/{number:int}/assignees", "read", assign),
    Route("DELETE", "/issues/{number:int}/assignees", "read", unassign),
    Route("POST", "/pulls/{number:int}/requested_reviewers", "triage", request_review),
)
