"""Pull requests, commits and refs as GitHub shows them: rows and git, together."""

from typing import Any

from bot.playground import git, shapes
from bot.playground.reviews import ReviewComment
from bot.playground.shapes import Json
from bot.playground.state import Issue, Repository, State


def pull(state: State, where: Repository, row: Issue) -> Json:
    api, web = shapes.api_url(state, where), f"{shapes.web_url(state, where)}/pull/{row.number}"
    urls = {
        "self": f"{api}/pulls/{row.number}", "html": web, "issue": f"{api}/issues/{row.number}",
        "comments": f"{api}/issues/{row.number}/comments",
        "review_comments": f"{api}/pulls/{row.number}/comments",
        "review_comment": f"{api}/pulls/comments{{/number}}",
        "commits": f"{api}/pulls/{row.number}/commits", "statuses": f"{api}/statuses/{row.head_sha}",
    }  # fmt: skip
    nothing = ("auto_merge", "mergeable", "rebaseable")
    merged_by = shapes.user(state, row.merged_by) if row.merged_by else None
    source = state.get(Repository, row.head_repository) if row.head_repository else where
    return {
        **shapes.thread(state, where, row),
        **{f"{name}_url": url for name, url in urls.items() if name != "self"}, "url": urls["self"],
        "_links": {name: {"href": url} for name, url in urls.items()}, "diff_url": f"{web}.diff",
        "patch_url": f"{web}.patch", "requested_teams": [],
        "requested_reviewers": [shapes.user(state, login) for login in row.reviewers],
        "draft": row.draft, "head": _side(state, source, head_owner(where, row), row.head, row.head_sha),
        "base": _side(state, where, where.owner, row.base, row.base_sha), **dict.fromkeys(nothing),
        "mergeable_state": "unknown", "merged": bool(row.merged_at), "merged_at": row.merged_at,
        "merged_by": merged_by, "merge_commit_sha": row.merge_sha or None, "maintainer_can_modify": False,
        "comments": len(shapes.comments(state, row)),
        "review_comments": len(review_comments(state, row)), **_size(state, where, row),
    }  # fmt: skip


# A list and the webhooks of reviews leave out what GitHub would have to compute.
_ONLY_SINGLE = (
    "merged", "merged_by", "mergeable", "mergeable_state", "rebaseable", "comments", "review_comments",
    "maintainer_can_modify", "commits", "additions", "deletions", "changed_files",
)  # fmt: skip


def brief(state: State, where: Repository, row: Issue) -> Json:
    return {name: value for name, value in pull(state, where, row).items() if name not in _ONLY_SINGLE}


def head_owner(where: Repository, row: Issue) -> str:
    """Whose branch it is, even where the fork is gone."""
    return row.head_owner if row.head_repository else where.owner


def review_comments(state: State, row: Issue) -> list[ReviewComment]:
    wanted = (row.repository, row.number)
    return state.all(ReviewComment, lambda found: (found.repository, found.number) == wanted)


def _side(state: State, where: Repository | None, owner: str, branch: str, sha: str) -> Json:
    return {
        "label": f"{owner}:{branch}",
        "ref": branch,
        "sha": sha,
        "user": shapes.user(state, owner),
        "repo": shapes.repository(state, where) if where else None,
    }


def _size(state: State, where: Repository, row: Issue) -> Json:
    folder = state.git_folder(where)
    if not folder.exists():
        return dict.fromkeys(("commits", "changed_files", "additions", "deletions"), 0)
    stat = git.git(folder, "diff", "--numstat", f"{row.base_sha}...{row.head_sha}").splitlines()
    added, removed = zip(*(line.split("\t")[:2] for line in stat), strict=True) if stat else ((), ())
    return {
        "commits": git.count(folder, row.base_sha, row.head_sha),
        "changed_files": len(stat),
        "additions": sum(int(n) for n in added if n != "-"),
        "deletions": sum(int(n) for n in removed if n != "-"),
    }


def commit(state: State, where: Repository, sha: str) -> Json:
    words = "%T%x00%P%x00%an%x00%ae%x00%aI%x00%cn%x00%ce%x00%cI%x00%B"
    shown = git.git(state.git_folder(where), "show", "-s", "--no-show-signature", f"--format={words}", sha)
    tree, parents, *people, message = shown.split("\0")
    url, web = f"{shapes.api_url(state, where)}/commits", f"{shapes.web_url(state, where)}/commit"
    trees = f"{shapes.api_url(state, where)}/git"
    names = ("name", "email", "date")
    return {
        "sha": sha,
        "node_id": f"C_{sha}",
        "url": f"{url}/{sha}",
        "html_url": f"{web}/{sha}",
        "comments_url": f"{url}/{sha}/comments",
        "commit": {
            "url": f"{trees}/commits/{sha}",
            "author": dict(zip(names, people[:3], strict=True)),
            "committer": dict(zip(names, people[3:], strict=True)),
            "message": message,
            "tree": {"sha": tree, "url": f"{trees}/trees/{tree}"},
            "comment_count": 0,
        },
        "author": None,
        "committer": None,
        "parents": [{"sha": p, "url": f"{url}/{p}", "html_url": f"{web}/{p}"} for p in parents.split()],
    }


def ref(state: State, where: Repository, name: str, sha: str) -> Json:
    url = f"{shapes.api_url(state, where)}/git"
    return {
        "ref": name,
        "node_id": f"REF_{where.id}_{name}",
        "url": f"{url}/{name}",
        "object": {"sha": sha, "type": "commit", "url": f"{url}/commits/{sha}"},
    }


def branch(state: State, where: Repository, name: str, *, sha: str, protected: bool) -> Json:
    url = f"{shapes.api_url(state, where)}/branches/{name}"
    checks: dict[str, Any] = {"enforcement_level": "off", "contexts": [], "checks": []}
    return {
        "name": name, "commit": commit(state, where, sha), "protected": protected,
        "protection": {"enabled": protected, "required_status_checks": checks},
        "protection_url": f"{url}/protection",
        "_links": {"self": url, "html": f"{shapes.web_url(state, where)}/tree/{name}"},
    }  # fmt: skip
