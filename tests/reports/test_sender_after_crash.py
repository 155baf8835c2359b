"""After a crash the sender finds the comments that it posted, and posts none twice."""

import pytest

from bot.domain.thread import ReplyTarget
from bot.store import outbox
from bot.store.outbox import Outgoing
from tests.reports.run_outbox import COMMENTS, FINAL, Outbox


@pytest.mark.parametrize("kind", COMMENTS)
def test_a_comment_posted_before_a_crash_is_found_and_edited(messages: Outbox, kind: Outgoing) -> None:
    messages.want(kind)
    messages.killed_after_writing()
    (before,) = messages.forge.comments
    newer = FINAL | {"rest": "newer"} if kind is Outgoing.FINAL else {"text": "newer"}
    messages.want(kind, newer)

    messages.send()

    [(comment, (_, body))] = messages.forge.comments.items()
    assert comment == before == messages.item(kind).remote_id
    assert "newer" in body


def test_a_comment_is_posted_after_a_crash_before_its_post(messages: Outbox) -> None:
    messages.want(Outgoing.REPLY)
    with messages.ledger.write() as tx:
        outbox.start_sending(tx, messages.item(Outgoing.REPLY))

    messages.send()

    assert len(messages.bodies) == 1


def test_the_newer_of_two_comments_with_the_same_marker_is_deleted(messages: Outbox) -> None:
    messages.want(Outgoing.REPLY)
    messages.killed_after_writing()
    (older,) = messages.forge.comments
    messages.forge.comment(messages.thread, messages.bodies[0], ReplyTarget())

    messages.send()

    assert list(messages.forge.comments) == [older]
    assert messages.item(Outgoing.REPLY).remote_id == older


def test_the_comment_of_a_run_with_a_longer_number_is_not_regarded_as_a_duplicate(messages: Outbox) -> None:
    messages.want(Outgoing.REPLY, subject=f"{messages.run.id}1")
    messages.send()
    messages.want(Outgoing.REPLY)
    messages.killed_after_writing()

    messages.send()

    assert len(messages.bodies) == 2
