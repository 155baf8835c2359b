"""Reactions and replies of people to a comment of the bot on GitHub."""

from bot.domain.thread import Actor, ReplyTarget, Thread
from bot.forges.github.client import GitHubClient, newest
from bot.forges.payload import at, count, get, number, text


def any_to(
    client: GitHubClient, thread: Thread, comment_id: int, reply_target: ReplyTarget, me: Actor
) -> bool:
    """Report whether somebody reacted to the comment, or replied to it in its discussion on lines of a diff.

    Other comments of GitHub cannot be replied to. Raises ValueError.
    """
    place = f"/repositories/{thread.repository_id}"
    if not reply_target.discussion:
        answer = client.ask("GET", f"{place}/issues/comments/{comment_id}", accepted=(404,))
        return answer.status != 404 and _has_reaction(answer.data)
    rows = newest(client, f"{place}/pulls/{thread.number}/comments")
    ours = next((row for row in rows if get(row, "id", int) == comment_id), None)
    if ours is None:
        return False
    return _has_reaction(ours) or any(_replies(row, comment_id, reply_target, me) for row in rows)


def _has_reaction(row: object) -> bool:
    return (count(row, "reactions.total_count") or 0) > 0


def _replies(row: object, comment_id: int, reply_target: ReplyTarget, me: Actor) -> bool:
    """Report whether this comment is a person's, in the same discussion, and newer."""
    same = str(at(row, "in_reply_to_id")) == str(reply_target.discussion)
    later = get(row, "id", int) > comment_id
    command = text(row, "body").lstrip().startswith("/")
    return same and later and number(row, "user.id") != me.id and not command
