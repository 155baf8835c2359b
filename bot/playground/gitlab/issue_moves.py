"""The move of an issue to another project: GitLab closes it and creates a copy there."""

from dataclasses import replace

from bot.playground import permissions
from bot.playground.calls import Answer, Call, next_iid, next_number
from bot.playground.gitlab import hooks, json_shapes, threads
from bot.playground.gitlab.calls import Refused, not_found, thread
from bot.playground.state import Issue, Repository, now, touched


def move(call: Call) -> Answer:
    """Move the issue to `to_project_id`. The caller must be a reporter in both projects."""
    row, to = thread(call), call.state.get(Repository, int(call.field("to_project_id", 0)))
    if row.head or to is None or not permissions.may(call.state, to, call.user, "read"):
        raise not_found("Project")
    if to.id == call.where.id:
        raise Refused(400, "Cannot move issue to project it originates from!")
    if not all(permissions.may(call.state, where, call.user, "triage") for where in (call.where, to)):
        raise Refused(400, "Cannot move issue due to insufficient permissions!")
    fresh = _copy(call, row, to)
    threads.change(call, row, {"state": "closed", "closed_at": now(), "moved_to": fresh.id})
    hooks.send_thread(replace(call, repository=to), fresh, "open")
    return Answer(json_shapes.issue(call.state, to, fresh), 201)


def _copy(call: Call, row: Issue, to: Repository) -> Issue:
    """Copy the issue with its notes, under new ids. Labels are copied by name."""
    there = replace(call, repository=to)
    labels = tuple(threads.label(there, name) for name in row.labels)
    fresh = call.state.put(touched(
        row, id=call.state.new_id(), repository=to.id, number=next_number(call.state, to),
        iid=next_iid(call.state, to, change=False), labels=labels,
    ))  # fmt: skip
    for note in json_shapes.notes(call.state, row):
        call.state.put(
            replace(note, id=call.state.new_id(), repository=to.id, number=fresh.number, discussion="")
        )
    return fresh
