"""Reviews of pull requests, and comments on lines of their diffs.

Every comment on a line belongs to a review. For a single comment, and for each reply, GitHub creates a
review without a body and sends a webhook for both.
"""

from dataclasses import dataclass, replace
from typing import Any

from bot.playground import diffs
from bot.playground.calls import Answer, Call
from bot.playground.github import hooks, pull_shapes, review_shapes, rules
from bot.playground.github.calls import Route, page, thread
from bot.playground.github.issues import in_order, own_or, unlocked
from bot.playground.github.pulls import found
from bot.playground.github.review_rows import Review, ReviewComment
from bot.playground.github.rules import Refused, invalid
from bot.playground.state import Issue, now, touched

_STATES = {"COMMENT": "COMMENTED", "APPROVE": "APPROVED", "REQUEST_CHANGES": "CHANGES_REQUESTED"}
_RESOURCE = "PullRequestReviewComment"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Draft:
    """A review comment that has no row yet."""

    body: str
    path: str
    side: str
    line: int
    sha: str
    hunk: str
    position: int
    reply_to: int = 0


def submit(call: Call) -> Answer:
    pull = unlocked(call, found(call))
    event, body = call.field("event"), rules.limited(call.field("body") or "", "PullRequestReview")
    if event not in _STATES:
        raise Refused(422, "Unprocessable Entity", "The playground keeps no pending reviews: name an event")
    if pull.author == call.login and event != "COMMENT":
        act = "approve" if event == "APPROVE" else "request changes on"
        raise Refused(422, "Unprocessable Entity", f"Review Can not {act} your own pull request")
    wanted = call.field("comments") or []
    if event != "APPROVE" and not (body or wanted):
        raise Refused(422, "Unprocessable Entity", "Review body can't be blank")
    sha = _commit(call, pull, call.field("commit_id"))
    drafts = [_of_review(call, pull, one, sha=sha) for one in wanted]  # all or none
    row = _review(call, pull, _STATES[event], body=body, sha=sha, drafts=drafts)
    return Answer(review_shapes.review(call.state, call.where, row))


def _of_review(call: Call, pull: Issue, wanted: Any, *, sha: str) -> _Draft:
    body = rules.text(wanted, _RESOURCE)
    path, line, side = wanted.get("path"), wanted.get("line"), wanted.get("side", "RIGHT")
    folder = call.state.git_folder(call.where)
    if path not in diffs.changed(folder, pull.base_sha, sha):
        raise Refused(422, "Unprocessable Entity", "Path could not be resolved")
    hunk = diffs.hunk(folder, (pull.base_sha, sha), path, side=side, line=line)
    if hunk is None:
        raise Refused(422, "Unprocessable Entity", "Line could not be resolved")
    return _Draft(body=body, path=path, side=side, line=line, sha=sha, hunk=hunk[0], position=hunk[1])


def _commit(call: Call, pull: Issue, wanted: Any) -> str:
    """Return the commit of the pull request that is meant: its head, if none is named."""
    if wanted in (None, pull.head_sha):
        return pull.head_sha
    if wanted not in diffs.commits(call.state.git_folder(call.where), pull.base_sha, pull.head_sha):
        raise invalid(
            _RESOURCE, "custom", field="commit_id", message="commit_id is not part of the pull request"
        )
    return str(wanted)


def _review(call: Call, pull: Issue, state: str, *, body: str, sha: str, drafts: list[_Draft]) -> Review:
    """Write a review with its comments, and send a webhook for each."""
    row = call.state.put(Review(
        id=call.state.new_id(), repository=call.where.id, number=pull.number, author=call.login,
        state=state, body=body, sha=sha, submitted_at=now(),
    ))  # fmt: skip
    waiting = tuple(login for login in pull.reviewers if login != call.login)
    pull = call.state.put(touched(pull, reviewers=waiting))
    shown_review = review_shapes.webhook_review(call.state, call.where, row)
    shown = pull_shapes.brief(call.state, call.where, pull)
    hooks.send(call, "pull_request_review", action="submitted", review=shown_review, pull_request=shown)
    for one in drafts:
        comment = ReviewComment(
            id=call.state.new_id(), repository=call.where.id, number=pull.number, review=row.id,
            author=call.login, created_at=now(), updated_at=now(), body=one.body, path=one.path,
            side=one.side, line=one.line, sha=one.sha, hunk=one.hunk, position=one.position,
            reply_to=one.reply_to,
        )  # fmt: skip
        _send_comment(call, call.state.put(comment), "created")
    return row


def _send_comment(call: Call, row: ReviewComment, action: str, **more: Any) -> dict[str, Any]:
    shown = review_shapes.comment(call.state, call.where, row)
    pull = pull_shapes.brief(call.state, call.where, thread(call, row.number))
    hooks.send(call, "pull_request_review_comment", action=action, **more, comment=shown, pull_request=pull)
    return shown


def _alone(call: Call, pull: Issue, draft: _Draft) -> Answer:
    row = _review(call, pull, "COMMENTED", body="", sha=draft.sha, drafts=[draft])
    made = call.state.all(ReviewComment, lambda one: one.review == row.id)
    return Answer(review_shapes.comment(call.state, call.where, made[0]), 201)


def comment(call: Call) -> Answer:
    pull = unlocked(call, found(call))
    body, path = rules.text(call.body, _RESOURCE), rules.text(call.body, _RESOURCE, field="path")
    sha = _commit(call, pull, rules.text(call.body, _RESOURCE, field="commit_id"))
    line, side = call.field("line"), call.field("side", "RIGHT")
    hunk = diffs.hunk(call.state.git_folder(call.where), (pull.base_sha, sha), path, side=side, line=line)
    if hunk is None:
        field = "pull_request_review_thread.line"
        raise invalid(_RESOURCE, "custom", field=field, message=f"{field} must be part of the diff")
    draft = _Draft(body=body, path=path, side=side, line=line, sha=sha, hunk=hunk[0], position=hunk[1])
    return _alone(call, pull, draft)


def reply(call: Call) -> Answer:
    """Reply to the comment that began the discussion. GitHub supports no replies to replies."""
    pull, parent = unlocked(call, found(call)), _found(call)
    if parent.number != pull.number or parent.reply_to:
        raise Refused(404, "Not Found")
    draft = _Draft(
        body=rules.text(call.body, _RESOURCE), path=parent.path, side=parent.side, line=parent.line,
        sha=parent.sha, hunk=parent.hunk, position=parent.position, reply_to=parent.id,
    )  # fmt: skip
    return _alone(call, pull, draft)


def _found(call: Call) -> ReviewComment:
    row = call.state.get(ReviewComment, call.path["inline"])
    if row is None or row.repository != call.where.id:
        raise Refused(404, "Not Found")
    return row


def reviews(call: Call) -> Answer:
    wanted = (call.where.id, found(call).number)
    rows = call.state.all(Review, lambda row: (row.repository, row.number) == wanted)
    return page(call, rows, lambda row: review_shapes.review(call.state, call.where, row))


def comments(call: Call) -> Answer:
    """List the review comments of one pull request, or of the whole repository."""
    if "number" in call.path:
        rows = pull_shapes.review_comments(call.state, found(call))
    else:
        rows = call.state.all(ReviewComment, lambda row: row.repository == call.where.id)
    since = call.query.get("since", "")
    rows = [row for row in in_order(call, rows, "asc") if row.updated_at >= since]
    return page(call, rows, lambda row: review_shapes.comment(call.state, call.where, row))


def get(call: Call) -> Answer:
    return Answer(review_shapes.comment(call.state, call.where, _found(call)))


def edit(call: Call) -> Answer:
    before = _found(call)
    own_or(call, before.author, "write")
    after = replace(before, body=rules.text(call.body, _RESOURCE), updated_at=now())
    call.state.put(after)
    return Answer(_send_comment(call, after, "edited", changes={"body": {"from": before.body}}))


def delete(call: Call) -> Answer:
    row = _found(call)
    own_or(call, row.author, "write")
    _send_comment(call, row, "deleted")
    call.state.drop(row)
    return Answer(status=204)


ROUTES = (
    Route("GET", "/pulls/{number:int}/reviews", "read", reviews),
    Route("POST", "/pulls/{number:int}/reviews", "read", submit),
    Route("GET", "/pulls/{number:int}/comments", "read", comments),
    Route("POST", "/pulls/{number:int}/comments", "read", comment),
    Route("POST", "/pulls/{number:int}/comments/{inline:int}/replies", "read", reply),
    Route("GET", "/pulls/comments", "read", comments),
    Route("GET", "/pulls/comments/{inline:int}", "read", get),
    Route("PATCH", "/pulls/comments/{inline:int}", "read", edit),
    Route("DELETE", "/pulls/comments/{inline:int}", "read", delete),
)
