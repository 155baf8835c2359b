"""Reviews and their comments as GitHub's JSON."""

from bot.playground import diffs
from bot.playground.github import json_shapes
from bot.playground.github.json_shapes import Json
from bot.playground.github.review_rows import Review, ReviewComment
from bot.playground.state import Issue, Repository, State


def review(state: State, where: Repository, row: Review) -> Json:
    return {
        "id": row.id, "node_id": f"PRR_{row.id}", "user": json_shapes.user(state, row.author),
        "body": row.body, "state": row.state, "commit_id": row.sha, "submitted_at": row.submitted_at,
        **_about(state, where, row, f"#pullrequestreview-{row.id}"),
    }  # fmt: skip


def webhook_review(state: State, where: Repository, row: Review) -> Json:
    """Return the review as webhooks have it: state in lower case, and null for an empty body."""
    return {**review(state, where, row), "state": row.state.lower(), "body": row.body or None}


def comment(state: State, where: Repository, row: ReviewComment) -> Json:
    url = f"{json_shapes.api_url(state, where)}/pulls/comments/{row.id}"
    line, position, sha = _now(state, where, row)
    about = _about(state, where, row, f"#discussion_r{row.id}")
    shown = {
        "id": row.id, "node_id": f"PRRC_{row.id}", "url": url, "pull_request_review_id": row.review,
        "diff_hunk": row.hunk, "path": row.path, "position": position, "original_position": row.position,
        "commit_id": sha, "original_commit_id": row.sha, "user": json_shapes.user(state, row.author),
        "body": row.body, "created_at": row.created_at, "updated_at": row.updated_at,
        "line": line, "original_line": row.line, "side": row.side, "subject_type": "line",
        **dict.fromkeys(("start_line", "original_start_line", "start_side")), **about,
        "_links": {**about["_links"], "self": {"href": url}},
        "reactions": json_shapes.reactions(state, url, row.id),
    }  # fmt: skip
    return {**shown, "in_reply_to_id": row.reply_to} if row.reply_to else shown


def _about(state: State, where: Repository, row: Review | ReviewComment, anchor: str) -> Json:
    html = f"{json_shapes.web_url(state, where)}/pull/{row.number}{anchor}"
    pull = f"{json_shapes.api_url(state, where)}/pulls/{row.number}"
    return {
        "html_url": html, "pull_request_url": pull,
        "author_association": json_shapes.association(where, row.author),
        "_links": {"html": {"href": html}, "pull_request": {"href": pull}},
    }  # fmt: skip


def _now(state: State, where: Repository, row: ReviewComment) -> tuple[int | None, int | None, str]:
    """Return line, position and commit after later pushes. A changed line has no number any more."""
    wanted = (where.id, row.number)
    pull = state.first(Issue, lambda found: (found.repository, found.number) == wanted)
    folder = state.git_folder(where)
    if pull is None or pull.head_sha == row.sha or not folder.exists():
        return row.line, row.position, row.sha
    line: int | None = row.line
    if row.side == "RIGHT":
        line = diffs.line_now(folder, (row.sha, pull.head_sha), row.path, row.line)
    span = (pull.base_sha, pull.head_sha)
    found = line and diffs.hunk(folder, span, row.path, side=row.side, line=line)
    return (line, found[1], pull.head_sha) if found else (None, None, row.sha)
