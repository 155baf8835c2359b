"""The final comment names the change, and the progress comment is edited in place until it."""

import pytest

from bot.domain.errors import ForgeError, ForgeUnavailable
from bot.store import outbox, tasks
from bot.store.outbox import EDIT_EVERY, Outgoing
from tests.reports.run_outbox import Killed, Outbox


def test_the_final_comment_waits_for_the_change_and_names_it(messages: Outbox) -> None:
    messages.want(Outgoing.CHANGE)
    messages.want(Outgoing.FINAL)
    messages.forge.failing = ForgeUnavailable("It is down.", retry_after=30)
    messages.send()
    messages.forge.failing = None
    messages.later(10)
    messages.send()
    assert messages.bodies == []

    messages.later(30)
    messages.send()

    with messages.ledger.read() as tx:
        task = tasks.get(tx, messages.run.task)
    assert (task.change_number, task.change_url) == (101, f"{messages.thread.repository_url}/pull/101")
    assert messages.bodies[0].startswith(f"**Pushed.** The change is [#101]({task.change_url}).")


def test_the_final_comment_has_the_reason_why_no_change_could_be_opened(messages: Outbox) -> None:
    messages.want(Outgoing.CHANGE)
    messages.forge.failing = ForgeError("GitHub refused: Validation Failed (422).")
    messages.send()
    messages.forge.failing = None

    messages.want(Outgoing.FINAL)
    messages.send()

    assert (
        "The pull request could not be opened: GitHub refused: Validation Failed (422)." in messages.bodies[0]
    )


def test_the_final_comment_mentions_that_the_branch_has_no_commits_for_a_change(messages: Outbox) -> None:
    messages.forge.no_commits = True
    messages.want(Outgoing.CHANGE)
    messages.want(Outgoing.FINAL)

    messages.send()

    reason = "`main` already has every commit of `forgehand/t1`."
    assert f"The pull request could not be opened: {reason}" in messages.bodies[0]
    with messages.ledger.read() as tx:
        assert tasks.get(tx, messages.run.task).change_number is None


def test_progress_is_edited_in_place(messages: Outbox) -> None:
    messages.want(Outgoing.PROGRESS, {"text": "preparing"})
    messages.send()
    (posted,) = messages.forge.comments

    messages.want(Outgoing.PROGRESS, {"text": "agent"})
    messages.send()
    assert messages.bodies[0].startswith("preparing")
    messages.later(EDIT_EVERY)
    messages.send()

    assert list(messages.forge.comments) == [posted]
    assert messages.bodies[0].startswith("agent")


@pytest.mark.parametrize("version", ["of this release", "of an older one"])
def test_the_last_text_of_an_older_release_is_written(messages: Outbox, version: str) -> None:
    messages.want(Outgoing.PROGRESS, {"text": "pushing"})
    messages.send()
    messages.later(EDIT_EVERY)
    messages.want(
        Outgoing.PROGRESS, {"text": "has ended", **({"ended": True} if version == "of this release" else {})}
    )
    messages.want(Outgoing.FINAL)

    messages.send()

    assert any(body.startswith("has ended") for body in messages.bodies) is (version == "of an older one")


@pytest.mark.parametrize("forge", ["answers", "was unavailable"])
def test_progress_that_was_never_posted_is_not_posted_at_the_end(messages: Outbox, forge: str) -> None:
    messages.want(Outgoing.PROGRESS, {"text": "has ended", "ended": True})
    messages.want(Outgoing.FINAL)
    if forge == "was unavailable":
        messages.forge.failing = ForgeUnavailable("It is down.")
        messages.send()
        messages.forge.failing = None
        messages.later(10)

    messages.send()
    messages.later(3600)
    messages.send()

    assert [body.split("\n")[0] for body in messages.bodies] == ["**Pushed.**"]


def ended(messages: Outbox) -> int:
    """Post the living comment, end the run, and return the comment's id."""
    messages.want(Outgoing.PROGRESS, {"text": "pushing"})
    messages.send()
    (living,) = messages.forge.comments
    messages.later(EDIT_EVERY)
    messages.want(Outgoing.PROGRESS, {"text": "It has ended.", "ended": True})
    messages.want(Outgoing.FINAL)
    messages.later(EDIT_EVERY)
    return living


def first_lines(messages: Outbox) -> list[str]:
    return [body.split("\n")[0] for body in messages.bodies]


def nothing_is_due(messages: Outbox) -> bool:
    with messages.ledger.read() as tx:
        return not outbox.unsent(tx, messages.run.id, Outgoing.PROGRESS)


def test_a_sender_that_dies_after_the_final_comment_leaves_the_deletion_to_the_next_one(
    messages: Outbox,
) -> None:
    ended(messages)
    messages.killed_after_writing()
    assert first_lines(messages) == ["pushing", "**Pushed.**"]

    messages.send()

    assert first_lines(messages) == ["**Pushed.**"]
    assert nothing_is_due(messages)


def test_a_sender_that_dies_after_the_deletion_leaves_nothing_to_write(messages: Outbox) -> None:
    ended(messages)

    def die_at_the_next_write() -> None:
        messages.forge.after = die

    def die() -> None:
        raise Killed

    messages.forge.after = die_at_the_next_write
    with pytest.raises(Killed):
        messages.send()
    messages.forge.after = lambda: None
    assert first_lines(messages) == ["**Pushed.**"]
    assert not nothing_is_due(messages)

    messages.send()
    messages.later(3600)
    messages.send()

    assert first_lines(messages) == ["**Pushed.**"]
    assert nothing_is_due(messages)


def test_a_living_comment_that_people_answered_links_the_final_one(messages: Outbox) -> None:
    living = ended(messages)
    messages.forge.answered.add(living)

    messages.send()

    address = messages.forge.pages(messages.thread).comment_page.format(id=max(messages.forge.comments))
    assert first_lines(messages) == [f"It has ended. [See the result]({address}).", "**Pushed.**"]


def test_a_living_comment_stays_if_the_forge_refused_the_final_one(messages: Outbox) -> None:
    living = ended(messages)
    with messages.ledger.write() as tx:
        (final,) = outbox.of_subject(tx, messages.run.id, Outgoing.FINAL)
        outbox.give_up(tx, final, "GitHub refused: Validation Failed (422).")

    messages.send()

    assert (list(messages.forge.comments), first_lines(messages)) == ([living], ["It has ended."])


def test_the_end_of_a_living_comment_is_tried_until_the_forge_answers(messages: Outbox) -> None:
    ended(messages)
    forge = messages.forge
    forge.after = lambda: setattr(forge, "failing", ForgeUnavailable("It is down."))
    for _ in range(12):
        messages.send()
        forge.failing = ForgeUnavailable("It is down.")
        messages.later(3600)
    assert first_lines(messages)[0] == "pushing"
    forge.failing, forge.after = None, lambda: None

    messages.send()

    assert first_lines(messages) == ["**Pushed.**"]


def test_a_twin_of_a_deleted_living_comment_is_deleted(messages: Outbox) -> None:
    messages.want(Outgoing.PROGRESS, {"text": "pushing"})
    messages.forge.failing = ForgeUnavailable("It is down.")
    messages.send()
    messages.forge.failing = None
    messages.later(3600)
    messages.send()
    (body,) = messages.forge.comments.values()
    messages.want(Outgoing.PROGRESS, {"text": "It has ended.", "ended": True})
    messages.want(Outgoing.FINAL)
    messages.later(EDIT_EVERY)
    messages.send()
    assert first_lines(messages) == ["**Pushed.**"]
    messages.forge.comments[999] = body  # the first try was carried out after all

    messages.later(60)
    messages.send()

    assert first_lines(messages) == ["**Pushed.**"]
