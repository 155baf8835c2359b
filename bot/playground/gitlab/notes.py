"""Notes, their discussions, and emoji on them."""

import json
import secrets
from dataclasses import replace
from typing import Any

from bot.playground.calls import Answer, Call
from bot.playground.gitlab import hooks, json_shapes, quick_actions
from bot.playground.gitlab.calls import (
    KINDS,
    TEXT_LIMIT,
    Refused,
    forbidden,
    may,
    member,
    not_found,
    page,
    text,
    thread,
    truth,
)
from bot.playground.state import Comment, Issue, Reaction, now, touched


def _seen(call: Call, row: Issue) -> list[Comment]:
    """Return the notes that the caller may see. Internal ones are for reporters and their own authors."""
    inside, me = may(call, "triage"), call.user and call.user.login
    return [
        note
        for note in json_shapes.notes(call.state, row)
        if not note.internal or inside or note.author == me
    ]


def every(call: Call) -> Answer:
    """List the notes, newest first unless the query says otherwise."""
    row = thread(call)
    key = "updated_at" if call.query.get("order_by") == "updated_at" else "created_at"
    backwards = call.query.get("sort", "desc") == "desc"
    rows = sorted(_seen(call, row), key=lambda note: (getattr(note, key), note.id), reverse=backwards)
    wanted = call.query.get("activity_filter", "all_notes")
    rows = [note for note in rows if wanted == "all_notes" or note.system == (wanted == "only_activity")]
    return page(call, rows, lambda note: json_shapes.note(call.state, row, note))


def _note(call: Call, row: Issue) -> Comment:
    found = next((note for note in _seen(call, row) if note.id == call.path["note"]), None)
    if found is None:
        raise not_found()
    return found


def get(call: Call) -> Answer:
    row = thread(call)
    return Answer(json_shapes.note(call.state, row, _note(call, row)))


def create(call: Call) -> Answer:
    return _create(call, thread(call))


def _create(call: Call, row: Issue, **place: Any) -> Answer:
    """Add a note. A body of nothing but quick actions adds none; the actions run in any case."""
    _may_speak(call, row)
    body, actions = quick_actions.extract(_body(call))
    if body or not actions:
        note = _put(call, row, body, **place)
        quick_actions.run(call, row, actions)
        shown = json_shapes.note(call.state, row, note)
        return Answer(json_shapes.discussion(call.state, row, [note]) if place else shown, 201)
    return _done(call, row, actions)


def _done(call: Call, row: Issue, actions: list[tuple[str, str]]) -> Answer:
    """Return the response to a body of nothing but quick actions."""
    changes, sentences = quick_actions.run(call, row, actions)
    return Answer({"commands_changes": changes, "summary": sentences or ["Failed to apply commands."]}, 202)


def _may_speak(call: Call, row: Issue) -> None:
    if row.locked and not member(call.state, call.where, call.user):
        raise forbidden()


def _body(call: Call) -> str:
    body = text(call, "body")
    wrong = "can't be blank" if not body.strip() else ""
    if len(body) > TEXT_LIMIT:
        wrong = f"is too long (maximum is {TEXT_LIMIT} characters)"
    if wrong:
        raise Refused(400, f'400 Bad request - Note {{:note=>["{wrong}"]}}')
    return body


def _put(call: Call, row: Issue, body: str, **place: Any) -> Comment:
    internal = truth(call.field("internal", call.field("confidential"))) and may(call, "triage")
    place = {"internal": internal, **place}
    note = Comment(
        id=call.state.new_id(), repository=row.repository, number=row.number, author=call.login, body=body,
        created_at=now(), updated_at=now(), **place,
    )  # fmt: skip
    call.state.put(note)
    hooks.send_note(call, call.state.put(touched(row)), note, action="create")
    return note


def edit(call: Call) -> Answer:
    """Edit a note. Allowed for its author and for maintainers."""
    row = thread(call)
    before = _own(call, row)
    body, actions = quick_actions.extract(_body(call))
    if actions and not body:  # GitLab runs them and stores no note
        call.state.drop(before)
        return _done(call, row, actions)
    after = call.state.put(replace(before, body=body, updated_at=now()))
    if after.body != before.body:
        hooks.send_note(call, row, after, action="update")
    quick_actions.run(call, row, actions)
    return Answer(json_shapes.note(call.state, row, after))


def _own(call: Call, row: Issue) -> Comment:
    note = _note(call, row)
    if note.system or (note.author != call.login and not may(call, "maintain")):
        raise forbidden()
    return note


def remove(call: Call) -> Answer:
    call.state.drop(_own(call, thread(call)))
    return Answer(status=204)


def discussions(call: Call) -> Answer:
    """List the discussions, oldest first."""
    row = thread(call)
    return page(call, _discussions(call, row), lambda notes: json_shapes.discussion(call.state, row, notes))


def _discussions(call: Call, row: Issue) -> list[list[Comment]]:
    found: dict[str, list[Comment]] = {}
    for note in _seen(call, row):
        found.setdefault(json_shapes.discussion_id(note), []).append(note)
    return list(found.values())


def _discussion(call: Call, row: Issue) -> list[Comment]:
    wanted = call.path["discussion"]
    found = (notes for notes in _discussions(call, row) if json_shapes.discussion_id(notes[0]) == wanted)
    notes = next(found, None)
    if notes is None:
        raise not_found("Discussion")
    return notes


def get_discussion(call: Call) -> Answer:
    row = thread(call)
    return Answer(json_shapes.discussion(call.state, row, _discussion(call, row)))


def begin(call: Call) -> Answer:
    """Begin a discussion, on lines of the diff if there is a `position`."""
    row = thread(call)
    position = call.field("position")
    place = {"discussion": secrets.token_hex(20)}
    if position is not None:
        place["position"] = json.dumps(_position(row, position))
    return _create(call, row, **place)


_POSITION = ("base_sha", "start_sha", "head_sha", "new_path", "old_path", "position_type")


def _position(row: Issue, given: Any) -> dict[str, Any]:
    if not row.head or not isinstance(given, dict):
        raise Refused(400, "position is invalid", key="error")
    for name in ("base_sha", "start_sha", "head_sha", "position_type"):
        if not given.get(name):
            raise Refused(400, f"position[{name}] is missing", key="error")
    if not given.get("new_line") and not given.get("old_line"):
        raise Refused(
            400, '400 Bad request - Note {:line_code=>["can\'t be blank", "must be a valid line code"]}'
        )
    lines = {name: given.get(name) for name in ("new_line", "old_line")}
    shown = {name: given.get(name) for name in _POSITION}
    for here, there in (("new_path", "old_path"), ("old_path", "new_path")):
        shown[here] = shown[here] or shown[there]
    return {**shown, **lines, "line_range": given.get("line_range")}


def reply(call: Call) -> Answer:
    """Reply in a discussion. A single note becomes the first of a discussion."""
    row = thread(call)
    first = _discussion(call, row)[0]
    if not first.discussion:
        first = call.state.put(replace(first, discussion=json_shapes.discussion_id(first)))
    _may_speak(call, row)
    place = {"discussion": first.discussion, "position": first.position, "internal": first.internal}
    answer = _create(call, row, **place)
    if answer.status == 202:
        return answer
    return Answer(answer.body["notes"][0], 201)


def _subject(call: Call) -> tuple[int, str]:
    row = thread(call)
    if "note" in call.path:
        return _note(call, row).id, "Note"
    return row.id, KINDS[json_shapes.kind(row)]


def awards(call: Call) -> Answer:
    subject, kind = _subject(call)
    rows = call.state.all(Reaction, lambda row: row.subject == subject)
    return page(call, rows, lambda row: json_shapes.award(call.state, row, kind))


def award(call: Call) -> Answer:
    (subject, kind), name = _subject(call), text(call, "name")
    if not name.replace("_", "").replace("-", "").replace("+", "").isalnum():
        raise not_found("Award Emoji Name is not a valid emoji name")
    given = (subject, call.login, name)
    if call.state.first(Reaction, lambda row: (row.subject, row.author, row.content) == given):
        raise not_found("Award Emoji Name has already been taken")
    row = Reaction(id=call.state.new_id(), subject=subject, author=call.login, content=name, created_at=now())
    return Answer(json_shapes.award(call.state, call.state.put(row), kind), 201)


def unaward(call: Call) -> Answer:
    subject, _ = _subject(call)
    found = call.state.get(Reaction, call.path["award"])
    if found is None or found.subject != subject:
        raise not_found()
    if found.author != call.login:
        raise Refused(401, "401 Unauthorized")
    call.state.drop(found)
    return Answer(status=204)
