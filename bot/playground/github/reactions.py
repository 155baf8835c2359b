"""Reactions to issues, pull requests, comments and review comments."""

from bot.playground.calls import Answer, Call
from bot.playground.github import json_shapes, rules
from bot.playground.github.calls import Route, page, thread
from bot.playground.github.review_rows import ReviewComment
from bot.playground.github.rules import Refused, invalid
from bot.playground.state import Comment, Reaction, now


def _subject(call: Call) -> int:
    if "number" in call.path:
        return thread(call).id
    row: Comment | ReviewComment | None
    if "comment" in call.path:
        row = call.state.get(Comment, call.path["comment"])
    else:
        row = call.state.get(ReviewComment, call.path["inline"])
    if row is None or row.repository != call.where.id:
        raise Refused(404, "Not Found")
    return row.id


def react(call: Call) -> Answer:
    content, subject = call.field("content"), _subject(call)
    if content not in rules.REACTIONS:
        raise invalid("Reaction", "invalid", field="content")
    given = call.state.first(
        Reaction, lambda row: (row.subject, row.author, row.content) == (subject, call.login, content)
    )
    if given:
        return Answer(json_shapes.reaction(call.state, given))
    row = Reaction(
        id=call.state.new_id(), subject=subject, author=call.login, content=content, created_at=now()
    )
    return Answer(json_shapes.reaction(call.state, call.state.put(row)), 201)


def reactions(call: Call) -> Answer:
    subject = _subject(call)
    rows = call.state.all(Reaction, lambda row: row.subject == subject)
    return page(call, rows, lambda row: json_shapes.reaction(call.state, row))


SUBJECTS = ("/issues/{number:int}", "/issues/comments/{comment:int}", "/pulls/comments/{inline:int}")
ROUTES = tuple(
    Route(method, f"{subject}/reactions", "read", handler)
    for subject in SUBJECTS
    for method, handler in (("GET", reactions), ("POST", react))
)
