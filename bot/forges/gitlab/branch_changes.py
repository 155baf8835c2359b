"""The merge requests of one branch, open or not."""

from urllib.parse import urlencode

from bot.domain.change import BranchChange
from bot.forges.gitlab.client import GitLabClient
from bot.forges.payload import answered, at, get, listed


def read(client: GitLabClient, project: int, branch: str) -> list[BranchChange]:
    """Return up to 100 merge requests of the project's branch, newest first; those of forks are left out."""
    found = rows(client, project, branch, state="all", per_page="100")
    with answered("GitLab"):
        return [_change(row) for row in found]


def rows(client: GitLabClient, project: int, branch: str, **query: str) -> list[object]:
    """Return the first page of the project's merge requests from its own branch, as GitLab shows them."""
    asked = urlencode({"source_branch": branch, **query})
    answer = client.ask("GET", f"/projects/{project}/merge_requests?{asked}")
    with answered("GitLab"):
        # A fork may have a branch with the same name.
        return [row for row in listed(answer.data) if at(row, "source_project_id") == project]


def _change(row: object) -> BranchChange:
    state = get(row, "state", str)
    return BranchChange(
        number=get(row, "iid", int),
        base_branch=get(row, "target_branch", str),
        ended=state in ("merged", "closed"),  # "locked" is an open one that is being merged
        merged=state == "merged",
    )
