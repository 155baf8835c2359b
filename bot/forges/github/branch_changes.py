"""The pull requests of one branch, open or not."""

from urllib.parse import urlencode

from bot.domain.change import BranchChange
from bot.forges.github.client import PAGE, GitHubClient
from bot.forges.payload import answered, at, get, listed


def read(client: GitHubClient, repository_id: int, head: str) -> list[BranchChange]:
    """Return up to 100 pull requests of `head`, "owner:branch", newest first; those of forks are left out."""
    query = urlencode({"state": "all", "head": head, "per_page": PAGE})
    answer = client.ask("GET", f"/repositories/{repository_id}/pulls?{query}")
    with answered("GitHub"):
        return [_change(row) for row in listed(answer.data) if at(row, "head.repo.id") == repository_id]


def _change(row: object) -> BranchChange:
    return BranchChange(
        number=get(row, "number", int),
        base_branch=get(row, "base.ref", str),
        ended=get(row, "state", str) == "closed",
        merged=at(row, "merged_at") is not None,
    )
