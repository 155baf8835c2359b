"""Issues, their comments and labels."""

from dataclasses import replace
from typing import Any

from bot.playground import label_events, permissions
from bot.playground.calls import Answer, Call, next_iid, next_number
from bot.playground.github import hooks, json_shapes, pull_shapes, rules
from bot.playground.github.calls import Route, page, thread
from bot.playground.github.rules import Refused, invalid
from bot.playground.state import Comment, Issue, Label, now, touched


def create(call: Call) -> Answer:
    title = rules.title(call.body, "Issue")
    body = rules.limited(call.field("body") or "", "Issue")
    # GitHub silently drops labels that the author may not set.
    may_label = permissions.may(call.state, call.where, call.user, "triage")
    labels = [_label(call, name) for name in call.field("labels") or ()] if may_label else []
    issue = Issue(
        id=call.state.new_id(), repository=call.where.id, number=next_number(call.state, call.where),
        iid=next_iid(call.state, call.where, change=False), title=title,
        body=body or None, author=call.login, created_at=now(), updated_at=now(),
        labels=tuple(label.name for label in labels),
    )  # fmt: skip
    call.state.put(issue)
    label_events.record(call, (), issue)
    send_event(call, issue, "opened")
    for label in labels:
        send_event(call, issue, "labeled", label=json_shapes.label(call.state, call.where, label))
    return Answer(json_shapes.issue(call.state, call.where, issue), 201)


def send_event(call: Call, issue: Issue, action: str, **more: Any) -> None:
    """Send `issues`, or `pull_request` if it is one."""
    if issue.head:
        shown = pull_shapes.pull(call.state, call.where, issue)
        hooks.send(call, "pull_request", action=action, number=issue.number, pull_request=shown, **more)
    else:
        shown = json_shapes.issue(call.state, call.where, issue)
        hooks.send(call, "issues", action=action, issue=shown, **more)


def get(call: Call) -> Answer:
    return Answer(json_shapes.issue(call.state, call.where, thread(call)))


def every(call: Call) -> Answer:
    wanted, since = call.query.get("state", "open"), call.query.get("since", "")
    labels = set(filter(None, call.query.get("labels", "").lower().split(",")))
    rows = call.state.all(
        Issue,
        lambda row: (
            row.repository == call.where.id
            and not (row.deleted or row.moved_to)
            and wanted in {row.state, "all"}
            and labels <= {name.lower() for name in row.labels}
            and row.updated_at >= since
        ),
    )
    return page(
        call, in_order(call, rows, "desc"), lambda row: json_shapes.issue(call.state, call.where, row)
    )


def in_order(call: Call, rows: list[Any], direction: str) -> list[Any]:
    """Sort as `sort` and `direction` of the query say, else by creation in `direction`."""
    key = "updated_at" if call.query.get("sort") == "updated" else "created_at"
    backwards = call.query.get("direction", direction) == "desc"
    return sorted(rows, key=lambda row: (getattr(row, key), row.id), reverse=backwards)


def edit(call: Call) -> Answer:
    """Change title, body and state. Allowed for the author, and from triage on."""
    issue = thread(call)
    own_or(call, issue.author, "triage")
    changes = {name: call.field(name) for name in ("title", "body", "state") if call.field(name) is not None}
    rules.limited(changes.get("body", ""), "Issue")
    action = "edited"
    if changes.get("state", issue.state) != issue.state:
        action = "closed" if changes["state"] == "closed" else "reopened"
        changes["closed_at"] = now() if action == "closed" else None
    changed = call.state.put(touched(issue, **changes))
    texts = {name: {"from": getattr(issue, name)} for name in ("title", "body") if name in changes}
    send_event(call, changed, action, **({"changes": texts} if action == "edited" else {}))
    return Answer(json_shapes.issue(call.state, call.where, changed))


def own_or(call: Call, author: str, role: str) -> None:
    """Raise Refused unless the caller is the author or has the role."""
    if call.login != author and not permissions.may(call.state, call.where, call.user, role):
        raise Refused(403, "Must have admin rights to Repository.")


def lock(call: Call) -> Answer:
    call.state.put(touched(thread(call), locked=True))
    return Answer(status=204)


def unlock(call: Call) -> Answer:
    call.state.put(touched(thread(call), locked=False))
    return Answer(status=204)


def unlocked(call: Call, issue: Issue) -> Issue:
    """Return the issue. Raises Refused if the caller may not comment on it."""
    # On GitHub users with write access may still comment; tokens of apps may not.
    if issue.locked and not permissions.may(call.state, call.where, call.user, "admin"):
        raise Refused(403, "Unable to create comment because issue is locked.")
    return issue


def comment(call: Call) -> Answer:
    issue = unlocked(call, thread(call))
    body = rules.text(call.body, "IssueComment")
    row = Comment(
        id=call.state.new_id(), repository=call.where.id, number=issue.number, author=call.login,
        body=body, created_at=now(), updated_at=now(),
    )  # fmt: skip
    call.state.put(row)
    issue = call.state.put(touched(issue))
    return Answer(_send_comment(call, row, issue, "created"), 201)


def _send_comment(call: Call, row: Comment, issue: Issue, action: str, **more: Any) -> dict[str, Any]:
    shown = json_shapes.comment(call.state, call.where, row)
    thread = json_shapes.issue(call.state, call.where, issue)
    hooks.send(call, "issue_comment", action=action, **more, issue=thread, comment=shown)
    return shown


def comments(call: Call) -> Answer:
    """List the comments of one issue, or of the whole repository."""
    since = call.query.get("since", "")
    if "number" in call.path:
        rows = json_shapes.comments(call.state, thread(call))
    else:
        rows = call.state.all(Comment, lambda row: row.repository == call.where.id and row.plain)
        rows = in_order(call, rows, "asc")
    rows = [row for row in rows if row.updated_at >= since]
    return page(call, rows, lambda row: json_shapes.comment(call.state, call.where, row))


def _comment(call: Call) -> Comment:
    found = call.state.get(Comment, call.path["comment"])
    if found is None or found.repository != call.where.id or not found.plain:
        raise Refused(404, "Not Found")
    return found


def get_comment(call: Call) -> Answer:
    return Answer(json_shapes.comment(call.state, call.where, _comment(call)))


def edit_comment(call: Call) -> Answer:
    before = _comment(call)
    own_or(call, before.author, "write")
    after = replace(before, body=rules.text(call.body, "IssueComment"), updated_at=now())
    call.state.put(after)
    changes = {"body": {"from": before.body}}
    return Answer(_send_comment(call, after, thread(call, after.number), "edited", changes=changes))


def delete_comment(call: Call) -> Answer:
    row = _comment(call)
    own_or(call, row.author, "write")
    _send_comment(call, row, thread(call, row.number), "deleted")
    call.state.drop(row)
    return Answer(status=204)


def _label(call: Call, name: Any) -> Label:
    """Return the repository's label of this name in any case. A missing one is created, as on GitHub."""
    name = rules.label_name(name.get("name") if isinstance(name, dict) else name)
    found = call.state.first(
        Label, lambda row: row.repository == call.where.id and row.name.lower() == name.lower()
    )
    return found or call.state.put(Label(id=call.state.new_id(), repository=call.where.id, name=name))


def labels(call: Call) -> Answer:
    return page(call, json_shapes.issue(call.state, call.where, thread(call))["labels"], dict)


def add_labels(call: Call) -> Answer:
    # GitHub accepts both forms. PyGithub sends the bare array, which the schema does not have.
    names = call.body if isinstance(call.body, list) else call.field("labels")
    if not isinstance(names, list):
        raise invalid("Label", "missing_field", field="labels")
    issue = thread(call)
    for label in [_label(call, name) for name in names]:
        if label.name not in issue.labels:
            before = issue.labels
            issue = call.state.put(touched(issue, labels=(*before, label.name)))
            label_events.record(call, before, issue)
            send_event(call, issue, "labeled", label=json_shapes.label(call.state, call.where, label))
    return labels(call)


def remove_label(call: Call) -> Answer:
    issue = thread(call)
    label = next((name for name in issue.labels if name.lower() == call.path["label"].lower()), None)
    if label is None:
        raise Refused(404, "Label does not exist")
    shown = json_shapes.label(call.state, call.where, _label(call, label))
    before = issue.labels
    issue = call.state.put(touched(issue, labels=tuple(name for name in before if name != label)))
    label_events.record(call, before, issue)
    send_event(call, issue, "unlabeled", label=shown)
    return labels(call)


ROUTES = (
    Route("GET", "/issues", "read", every),
    Route("POST", "/issues", "read", create),
    Route("GET", "/issues/comments", "read", comments),
    Route("GET", "/issues/comments/{comment:int}", "read", get_comment),
    Route("PATCH", "/issues/comments/{comment:int}", "read", edit_comment),
    Route("DELETE", "/issues/comments/{comment:int}", "read", delete_comment),
    Route("GET", "/issues/{number:int}", "read", get),
    Route("PATCH", "/issues/{number:int}", "read", edit),
    Route("PUT", "/issues/{number:int}/lock", "write", lock),
    Route("DELETE", "/issues/{number:int}/lock", "write", unlock),
    Route("GET", "/issues/{number:int}/comments", "read", comments),
    Route("POST", "/issues/{number:int}/comments", "read", comment),
    Route("GET", "/issues/{number:int}/labels", "read", labels),
    Route("POST", "/issues/{number:int}/labels", "triage", add_labels),
    Route("DELETE", "/issues/{number:int}/labels/{label:path}", "triage", remove_label),
)
