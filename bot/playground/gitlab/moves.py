"""An issue that moves to another project: GitLab closes it where it was, and makes a copy there."""

from dataclasses import replace

from bot.playground import rules
from bot.playground.calls import Answer, Call, next_iid
from bot.playground.gitlab import hooks, shapes, threads
from bot.playground.gitlab.calls import Refused, not_found, thread
from bot.playground.state import Issue, Repository, now, touched


def move(call: Call) -> Answer:
    """`to_project_id`. Reporters of both may."""
    row, to = thread(call), call.state.get(Repository, int(call.field("to_project_id", 0)))
    if row.head or to is None or not rules.may(call.state, to, call.user, "read"):
        raise not_found("Project")
    if to.id == call.where.id:
        raise Refused(400, "Cannot move issue to project it originates from!")
    if not all(rules.may(call.state, where, call.user, "triage") for where in (call.where, to)):
        raise Refused(400, "Cannot move issue due to insufficient permissions!")
    fresh = _copy(call, row, to)
    threads.change(call, row, {"state": "closed", "closed_at": now(), "moved_to": fresh.id})
    hooks.thread_told(replace(call, repository=to), fresh, "open")
    return Answer(shapes.issue(call.state, to, fresh), 201)


def _copy(call: Call, row: Issue, to: Repository) -> Issue:
    """With its notes, under new ids. Labels go with it as names."""
    there = replace(call, repository=to)
    labels = tuple(threads.label(there, name) for name in row.labels)
    fresh = call.state.put(touched(
        row, id=call.state.new_id(), repository=to.id, number=threads.number(call, to.id),
        iid=next_iid(call.state, to, change=False), labels=labels,
    ))  # fmt: skip
    for note in shapes.notes(call.state, row):
        call.state.put(
            replace(note, id=call.state.new_id(), repository=to.id, number=fresh.number, discussion="")
        )
    return fresh
