"""Pull requests, commits and refs as GitHub's JSON, from rows and from git."""

from datetime import datetime
from typing import Any

from git import Actor

from bot.playground import git
from bot.playground.github import json_shapes
from bot.playground.github.json_shapes import Json
from bot.playground.github.review_rows import ReviewComment
from bot.playground.state import Issue, Repository, State


def pull(state: State, where: Repository, row: Issue) -> Json:
    api, web = json_shapes.api_url(state, where), f"{json_shapes.web_url(state, where)}/pull/{row.number}"
    urls = {
        "self": f"{api}/pulls/{row.number}", "html": web, "issue": f"{api}/issues/{row.number}",
        "comments": f"{api}/issues/{row.number}/comments",
        "review_comments": f"{api}/pulls/{row.number}/comments",
        "review_comment": f"{api}/pulls/comments{{/number}}",
        "commits": f"{api}/pulls/{row.number}/commits", "statuses": f"{api}/statuses/{row.head_sha}",
    }  # fmt: skip
    nothing = ("auto_merge", "mergeable", "rebaseable")
    merged_by = json_shapes.user(state, row.merged_by) if row.merged_by else None
    source = state.get(Repository, row.head_repository) if row.head_repository else where
    return {
        **json_shapes.thread(state, where, row),
        **{f"{name}_url": url for name, url in urls.items() if name != "self"}, "url": urls["self"],
        "_links": {name: {"href": url} for name, url in urls.items()}, "diff_url": f"{web}.diff",
        "patch_url": f"{web}.patch", "requested_teams": [],
        "requested_reviewers": [json_shapes.user(state, login) for login in row.reviewers],
        "draft": row.draft, "head": _side(state, source, head_owner(where, row), row.head, row.head_sha),
        "base": _side(state, where, where.owner, row.base, row.base_sha), **dict.fromkeys(nothing),
        "mergeable_state": "unknown", "merged": bool(row.merged_at), "merged_at": row.merged_at,
        "merged_by": merged_by, "merge_commit_sha": row.merge_sha or None, "maintainer_can_modify": False,
        "comments": len(json_shapes.comments(state, row)),
        "review_comments": len(review_comments(state, row)), **_size(state, where, row),
    }  # fmt: skip


# Lists and webhooks of reviews leave out the fields that GitHub would have to compute.
_ONLY_SINGLE = (
    "merged", "merged_by", "mergeable", "mergeable_state", "rebaseable", "comments", "review_comments",
    "maintainer_can_modify", "commits", "additions", "deletions", "changed_files",
)  # fmt: skip


def brief(state: State, where: Repository, row: Issue) -> Json:
    return {name: value for name, value in pull(state, where, row).items() if name not in _ONLY_SINGLE}


def head_owner(where: Repository, row: Issue) -> str:
    """Return the owner of the head branch, even if the fork is gone."""
    return row.head_owner if row.head_repository else where.owner


def review_comments(state: State, row: Issue) -> list[ReviewComment]:
    wanted = (row.repository, row.number)
    return state.all(ReviewComment, lambda found: (found.repository, found.number) == wanted)


def _side(state: State, where: Repository | None, owner: str, branch: str, sha: str) -> Json:
    return {
        "label": f"{owner}:{branch}",
        "ref": branch,
        "sha": sha,
        "user": json_shapes.user(state, owner),
        "repo": json_shapes.repository(state, where) if where else None,
    }


def _size(state: State, where: Repository, row: Issue) -> Json:
    folder = state.git_folder(where)
    if not folder.exists():
        return dict.fromkeys(("commits", "changed_files", "additions", "deletions"), 0)
    with git.opened(folder) as repo:
        stat = repo.git.diff("--numstat", f"{row.base_sha}...{row.head_sha}").splitlines()
    added, removed = zip(*(line.split("\t")[:2] for line in stat), strict=True) if stat else ((), ())
    return {
        "commits": git.count(folder, row.base_sha, row.head_sha),
        "changed_files": len(stat),
        "additions": sum(int(n) for n in added if n != "-"),
        "deletions": sum(int(n) for n in removed if n != "-"),
    }


def commit(state: State, where: Repository, sha: str) -> Json:
    with git.opened(state.git_folder(where)) as repo:
        row = repo.commit(sha)
        tree, parents = row.tree.hexsha, [parent.hexsha for parent in row.parents]
        message = str(row.message).rstrip("\n")
    url, web = f"{json_shapes.api_url(state, where)}/commits", f"{json_shapes.web_url(state, where)}/commit"
    trees = f"{json_shapes.api_url(state, where)}/git"
    return {
        "sha": sha,
        "node_id": f"C_{sha}",
        "url": f"{url}/{sha}",
        "html_url": f"{web}/{sha}",
        "comments_url": f"{url}/{sha}/comments",
        "commit": {
            "url": f"{trees}/commits/{sha}",
            "author": _person(row.author, row.authored_datetime),
            "committer": _person(row.committer, row.committed_datetime),
            "message": message,
            "tree": {"sha": tree, "url": f"{trees}/trees/{tree}"},
            "comment_count": 0,
        },
        "author": None,
        "committer": None,
        "parents": [{"sha": p, "url": f"{url}/{p}", "html_url": f"{web}/{p}"} for p in parents],
    }


def _person(who: Actor, when: datetime) -> Json:
    return {"name": who.name, "email": who.email, "date": when.isoformat()}


def ref(state: State, where: Repository, name: str, sha: str) -> Json:
    url = f"{json_shapes.api_url(state, where)}/git"
    return {
        "ref": name,
        "node_id": f"REF_{where.id}_{name}",
        "url": f"{url}/{name}",
        "object": {"sha": sha, "type": "commit", "url": f"{url}/commits/{sha}"},
    }


def branch(state: State, where: Repository, name: str, *, sha: str, protected: bool) -> Json:
    url = f"{json_shapes.api_url(state, where)}/branches/{name}"
    checks: dict[str, Any] = {"enforcement_level": "off", "contexts": [], "checks": []}
    return {
        "name": name, "commit": commit(state, where, sha), "protected": protected,
        "protection": {"enabled": protected, "required_status_checks": checks},
        "protection_url": f"{url}/protection",
        "_links": {"self": url, "html": f"{json_shapes.web_url(state, where)}/tree/{name}"},
    }  # fmt: skip
