"""The merge requests of one branch, open or not."""

from urllib.parse import urlencode

from bot.domain.change import BranchChange
from bot.forges.gitlab.client import GitLabClient
from bot.forges.payload import answered, at, get, listed

_PAGE = 100  # merge requests of an answer
_PAGES = 20


def read(client: GitLabClient, project: int, branch: str) -> list[BranchChange]:
    """Return up to 100 merge requests of the project's branch, newest first; those of forks are left out."""
    found = rows(client, project, branch, state="all")
    with answered("GitLab"):
        return [_change(row) for row in found]


def rows(client: GitLabClient, project: int, branch: str, **query: str) -> list[object]:
    """Return the newest merge requests from the project's own branch, as GitLab shows them.

    A fork may have a branch with the same name, and hide them behind pages of its own merge requests.
    """
    for page in range(1, _PAGES + 1):
        asked = urlencode({"source_branch": branch, "per_page": _PAGE, "page": page, **query})
        answer = client.ask("GET", f"/projects/{project}/merge_requests?{asked}")
        with answered("GitLab"):
            found = listed(answer.data)
            own = [row for row in found if at(row, "source_project_id") == project]
        if own or len(found) < _PAGE:
            return own
    return []


def _change(row: object) -> BranchChange:
    state = get(row, "state", str)
    return BranchChange(
        number=get(row, "iid", int),
        base_branch=get(row, "target_branch", str),
        ended=state in ("merged", "closed"),  # "locked" is an open one that is being merged
        merged=state == "merged",
    )
