"""Pull requests, commits and refs as GitHub shows them: rows and git, together."""

from typing import Any

from bot.playground import git, shapes
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
    nothing = ("auto_merge", "merge_commit_sha", "merged_at", "merged_by", "mergeable", "rebaseable")
    return {
        **shapes.thread(state, where, row),
        **{f"{name}_url": url for name, url in urls.items() if name != "self"}, "url": urls["self"],
        "_links": {name: {"href": url} for name, url in urls.items()}, "diff_url": f"{web}.diff",
        "patch_url": f"{web}.patch", "requested_reviewers": [], "requested_teams": [],
        "draft": row.draft, "head": _side(state, where, row.head, row.head_sha),
        "base": _side(state, where, row.base, row.base_sha), **dict.fromkeys(nothing),
        "mergeable_state": "unknown", "merged": False, "maintainer_can_modify": False,
        "comments": len(shapes.comments(state, row)), "review_comments": 0, **_size(state, where, row),
    }  # fmt: skip


def _side(state: State, where: Repository, branch: str, sha: str) -> Json:
    return {
        "label": f"{where.owner}:{branch}",
        "ref": branch,
        "sha": sha,
        "user": shapes.user(state, where.owner),
        "repo": shapes.repository(state, where),
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
