"""Reading GitLab's responses to the requests of its adapter.

Every function raises ForgeError if the response cannot be read.
"""

from bot.domain.change import Change, ChangeHead
from bot.domain.errors import ForgeError
from bot.forges.gitlab.client import GitLabResponse
from bot.forges.payload import answered, at, count, get, listed, number, text

_DEVELOPER = 30  # the lowest access level that may push


def may_push(member: object) -> bool:
    """Report whether a member may push to the project."""
    with answered("GitLab"):
        # An invited person may not be accepted yet. Older instances have no `membership_state`.
        states = {get(member, "state", str), text(member, "membership_state") or "active"}
        level = count(member, "access_level")  # a custom role has the level of its base role
        if level is None:
            raise ValueError("access_level is missing")
        return states == {"active"} and level >= _DEVELOPER


def change_head(merge_request: object, default_branch: str) -> ChangeHead:
    """Return head and branches of a merge request that has commits."""
    with answered("GitLab"):
        source = number(merge_request, "source_project_id")  # None: a deleted fork
        return ChangeHead(
            head=get(merge_request, "sha", str),
            head_branch=get(merge_request, "source_branch", str),
            base_branch=get(merge_request, "target_branch", str),
            default_branch=default_branch,
            same_repository=source == get(merge_request, "target_project_id", int),
            open=get(merge_request, "state", str) == "opened",
        )


def are_equal(comparison: object) -> bool:
    """Report whether a comparison of two branches, which was not cut short, has no commit."""
    with answered("GitLab"):
        return not listed(comparison, "commits") and not at(comparison, "compare_timeout")


def comment_id(answer: GitLabResponse) -> int:
    """Return the id of the comment that was written."""
    if not isinstance(at(answer.data, "id"), int):
        # The comment had only quick actions: GitLab has executed them, and there is no comment.
        raise ForgeError("GitLab read the comment as quick actions and posted nothing.")
    with answered("GitLab"):
        return get(answer.data, "id", int)


def change(merge_request: object) -> Change:
    """Return number and address of a merge request."""
    # The address is only shown to people. The bot fetches nothing from it.
    with answered("GitLab"):
        return Change(number=get(merge_request, "iid", int), url=get(merge_request, "web_url", str))
