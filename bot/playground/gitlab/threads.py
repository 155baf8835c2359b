"""Issues, and the parts that merge requests share with them."""

import re
from dataclasses import replace
from typing import Any

from bot.playground import label_events
from bot.playground.calls import Answer, Call, next_iid, next_number
from bot.playground.gitlab import hooks, json_shapes, payloads
from bot.playground.gitlab.calls import (
    SHORT_LIMIT,
    TEXT_LIMIT,
    Refused,
    again,
    forbidden,
    may,
    missing,
    names,
    page,
    text,
    thread,
    truth,
    visible,
)
from bot.playground.state import Comment, Issue, Label, User, now, touched

_DRAFT = re.compile(r"\s*(?:\[draft\]|\(draft\)|draft:|draft\s-\s)\s*", re.IGNORECASE)


def create(call: Call) -> Answer:
    if call.path["kind"] != "issues":
        raise forbidden()
    row = Issue(
        id=call.state.new_id(), repository=call.where.id, number=next_number(call.state, call.where),
        iid=next_iid(call.state, call.where, change=False), author=call.login, created_at=now(),
        updated_at=now(), title="", body=None,
    )  # fmt: skip
    if call.field("title") is None:
        raise missing("title")
    return begin(call, row)


def begin(call: Call, row: Issue) -> Answer:
    """Store a new thread with the fields of the call, and send the webhook."""
    # Labels and users that the author may not set are silently dropped.
    row = call.state.put(replace(row, **_texts(call, row), **_switches(call, row), **_people(call, row)))
    label_events.record(call, (), row)
    hooks.send_thread(call, row, "open")
    return Answer(json_shapes.thread(call.state, call.where, row), 201)


def get(call: Call) -> Answer:
    return Answer(json_shapes.thread(call.state, call.where, thread(call)))


def every(call: Call) -> Answer:
    """List threads of one kind, newest first. A thread must have all `labels`; `iids[]` is not supported."""
    change = call.path["kind"] == "merge_requests"
    rows = call.state.all(
        Issue,
        lambda row: (
            (row.repository, bool(row.head), row.deleted) == (call.where.id, change, False)
            and visible(call, row)
            and _matches(call, row)
        ),
    )
    key = "updated_at" if call.query.get("order_by") == "updated_at" else "created_at"
    backwards = call.query.get("sort", "desc") == "desc"
    rows.sort(key=lambda row: (getattr(row, key), row.id), reverse=backwards)
    return page(call, rows, lambda row: json_shapes.thread(call.state, call.where, row))


def _matches(call: Call, row: Issue) -> bool:
    asked = call.query
    return (
        asked.get("state", "all") in {"all", json_shapes.standing(row)}
        and asked.get("source_branch", row.head) == row.head
        and asked.get("target_branch", row.base) == row.base
        and set(names(asked.get("labels"))) <= set(row.labels)
        and json_shapes.at(row.updated_at) >= asked.get("updated_after", "")  # type: ignore[operator]
    )


def edit(call: Call) -> Answer:
    """Edit a thread. Allowed for its author, and from reporter on."""
    row = thread(call)
    if call.login != row.author and not may(call, "triage"):
        raise forbidden()
    if not isinstance(call.body, dict) or not call.body:
        raise Refused(
            400, "title, description, labels are missing, at least one must be provided", key="error"
        )
    changes = {**_texts(call, row), **_switches(call, row), **_people(call, row)}
    row = change(call, row, {**changes, **_state(row, call.field("state_event"))})
    return Answer(json_shapes.thread(call.state, call.where, row))


def remove(call: Call) -> Answer:
    row = thread(call)
    if not may(call, "admin"):
        raise forbidden()
    call.state.put(touched(row, deleted=True))
    return Answer(status=204)


def change(call: Call, row: Issue, wanted: dict[str, Any]) -> Issue:
    """Change a thread, with the system notes and the webhook that follow; return the present row."""
    wanted = {name: value for name, value in wanted.items() if getattr(row, name) != value}
    if not wanted:
        return row
    after = call.state.put(touched(row, **wanted))
    label_events.record(call, row.labels, after)
    for text_of_it in _system_notes(call, row, after):
        add_system_note(call, after, text_of_it)
    action = "update"
    if row.state != after.state:
        action = {"open": "reopen", "closed": "close"}[after.state]
    action = "merge" if after.merged_at and not row.merged_at else action
    hooks.send_thread(call, after, action, payloads.changes(call, row, after))
    return after


def add_system_note(call: Call, row: Issue, body: str) -> None:
    """Add a system note. GitLab sends no webhook for it."""
    call.state.put(
        Comment(
            id=call.state.new_id(), repository=row.repository, number=row.number, author=call.login,
            body=body, created_at=now(), updated_at=now(), system=True,
        )
    )  # fmt: skip


def _system_notes(call: Call, before: Issue, after: Issue) -> list[str]:
    ids = {row.name: row.id for row in call.state.all(Label, lambda row: row.repository == after.repository)}
    put_on = [f"~{ids[name]}" for name in after.labels if name not in before.labels]
    taken_off = [f"~{ids[name]}" for name in before.labels if name not in after.labels]
    assigned = [f"@{login}" for login in after.assignees if login not in before.assignees]
    asked = [f"@{login}" for login in after.reviewers if login not in before.reviewers]
    old, new = json_shapes.title(before), json_shapes.title(after)
    texts = {
        f"added {' '.join(put_on)} label{'s' * (len(put_on) > 1)}": bool(put_on),
        f"removed {' '.join(taken_off)} label{'s' * (len(taken_off) > 1)}": bool(taken_off),
        f"assigned to {' and '.join(assigned)}": bool(assigned),
        f"requested review from {' and '.join(asked)}": bool(asked),
        f"changed title from **{old}** to **{new}**": old != new,
        "changed the description": before.body != after.body,
        "merged" if after.merged_at else "reopened" if after.state == "open" else "closed": (
            before.state != after.state
        ),
    }
    return [text_of_it for text_of_it, so in texts.items() if so]


def _texts(call: Call, row: Issue) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if call.field("title") is not None:
        title = text(call, "title").strip()
        if not title or len(title) > SHORT_LIMIT:
            raise Refused(
                400, {"title": ["is too long (maximum is 255 characters)" if title else "can't be blank"]}
            )
        draft = _DRAFT.match(title) if row.head else None
        found |= {"title": title[draft.end() :] if draft else title, "draft": bool(draft)}
    if call.field("description") is not None:
        found["body"] = text(call, "description") or None
        if len(found["body"] or "") > TEXT_LIMIT:
            raise Refused(400, {"description": [f"is too long (maximum is {TEXT_LIMIT} characters)"]})
    return found


def _switches(call: Call, row: Issue) -> dict[str, Any]:
    names = {"confidential": "confidential", "discussion_locked": "locked"}
    if row.head:
        del names["confidential"]
    return {
        name: truth(call.field(field))
        for field, name in names.items()
        if call.field(field) is not None and (name == "confidential" or may(call, "triage"))
    }


def _people(call: Call, row: Issue) -> dict[str, Any]:
    """Return labels, assignees and reviewers of the call, nothing if the caller may not set them."""
    if not may(call, "triage"):
        return {}
    found: dict[str, Any] = {}
    labels = row.labels if call.field("labels") is None else tuple(names(call.field("labels")))
    taken_off = names(call.field("remove_labels"))
    wanted = dict.fromkeys((*labels, *names(call.field("add_labels"))))
    found["labels"] = tuple(label(call, name) for name in wanted if name not in taken_off)
    for field, name in (("assignee_ids", "assignees"), ("reviewer_ids", "reviewers")):
        if call.field(field) is not None and (row.head or name == "assignees"):
            found[name] = tuple(_login(call, one) for one in call.field(field) if int(one))
    if call.field("assignee_id"):
        found["assignees"] = (_login(call, call.field("assignee_id")),)
    return found


def label(call: Call, name: str) -> str:
    """Return the name of a label. A missing one is created."""
    wanted = (call.where.id, name)
    if not call.state.first(Label, lambda row: (row.repository, row.name) == wanted):
        call.state.put(Label(id=call.state.new_id(), repository=call.where.id, name=name))
    return name


def _login(call: Call, user_id: Any) -> str:
    found = call.state.get(User, int(user_id))
    if found is None:
        raise Refused(400, {"assignees": ["is invalid"]})
    return found.login


def _state(row: Issue, event: Any) -> dict[str, Any]:
    if event not in (None, "close", "reopen"):
        raise Refused(400, "state_event does not have a valid value", key="error")
    if event == "close" and row.state == "open":
        return {"state": "closed", "closed_at": now()}
    if event == "reopen" and row.state == "closed" and not row.merged_at:
        return {"state": "open", "closed_at": None}
    return {}


def shown_again(call: Call, row: Issue) -> Answer:
    return Answer(json_shapes.thread(call.state, call.where, again(call, row)))
