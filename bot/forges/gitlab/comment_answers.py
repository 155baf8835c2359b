"""Reactions and replies of people to a note of the bot on GitLab."""

from bot.domain.thread import Actor, ReplyTarget
from bot.forges.gitlab.client import GitLabClient
from bot.forges.payload import get, listed, number, text


def any_to(client: GitLabClient, place: str, note: int, reply_target: ReplyTarget, me: Actor) -> bool:
    """Report whether somebody reacted to the note, or replied to it in its discussion.

    `place` is the path of the thread. Raises ValueError.
    """
    awards = client.ask("GET", f"{place}/notes/{note}/award_emoji", accepted=(404,))
    if awards.status == 404:
        return False
    if listed(awards.data):
        return True
    if not reply_target.discussion:  # the first reply to a single note makes it the first of a discussion
        answer = client.ask("GET", f"{place}/notes/{note}", accepted=(404,))
        return answer.status != 404 and text(answer.data, "type") == "DiscussionNote"
    path = f"{place}/discussions/{reply_target.discussion}"
    answer = client.ask("GET", path, accepted=(404,))
    return answer.status != 404 and any(
        get(row, "id", int) > note
        and number(row, "author.id") != me.id
        and not text(row, "body").lstrip().startswith("/")
        for row in listed(answer.data, "notes")
    )
