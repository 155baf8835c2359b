"""The bot's status on a commit."""

from bot.domain.change import CheckState, Status
from bot.forges.gitlab.client import GitLabClient, GitLabResponse, error_text

_SHORT = 255  # characters of the description and of the URL
_STATES = {
    CheckState.PENDING: "pending",
    CheckState.SUCCESS: "success",
    CheckState.FAILURE: "failed",
    CheckState.ERROR: "failed",
}


def post(client: GitLabClient, project: int, sha: str, status: Status) -> GitLabResponse:
    """Set the status on a commit of the project. The response may be a refusal: 400 or 404."""
    fields = {
        "state": _STATES[status.verdict],
        "name": "forgehand",
        "description": status.description[:_SHORT],
    }
    if 0 < len(status.url) <= _SHORT:  # a shortened URL would be wrong
        fields["target_url"] = status.url
    return client.ask("POST", f"/projects/{project}/statuses/{sha}", json=fields, accepted=(400, 404))


def is_set(answer: GitLabResponse) -> bool:
    """Report whether the status was refused because the commit has it already."""
    return answer.status == 400 and "cannot transition status" in error_text(answer).lower()
