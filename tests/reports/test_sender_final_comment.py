"""The final comment names the change, and the progress comment is edited in place until it."""

import pytest

from bot.domain.errors import ForgeError, ForgeUnavailable
from bot.store import outbox, tasks
from bot.store.outbox import EDIT_EVERY, Outgoing
from tests.reports.run_outbox import Outbox


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


@pytest.mark.parametrize("reacted", [False, True])
@pytest.mark.parametrize("change", ["without a change", "with a change"])
def test_the_living_comment_is_deleted_after_the_final_comment_unless_people_have_reacted(
    messages: Outbox, change: str, *, reacted: bool
) -> None:
    messages.want(Outgoing.PROGRESS, {"text": "pushing"})
    messages.send()
    messages.later(EDIT_EVERY)
    [posted] = messages.forge.comments
    if reacted:
        messages.forge.reacted_to.add(posted)
    at_final: list[str] = []
    messages.forge.after = lambda: (
        at_final.extend(messages.bodies) if len(messages.bodies) == 2 and not at_final else None
    )
    if change == "with a change":
        messages.want(Outgoing.CHANGE)
    messages.want(Outgoing.PROGRESS, {"text": "has ended", "ended": True})
    messages.want(Outgoing.FINAL)

    messages.send()

    assert [body.split("\n")[0].split(" The")[0] for body in at_final] == ["pushing", "**Pushed.**"]
    first_lines = [body.split("\n")[0].split(" The")[0] for body in messages.bodies]
    assert first_lines == [*(["has ended"] if reacted else []), "**Pushed.**"]


def test_a_living_comment_is_deleted_by_the_next_sender_if_one_died_before_it_knew_the_comment(
    messages: Outbox,
) -> None:
    messages.want(Outgoing.PROGRESS, {"text": "pushing"})
    messages.send()
    messages.later(EDIT_EVERY)
    messages.want(Outgoing.PROGRESS, {"text": "has ended", "ended": True})
    messages.want(Outgoing.FINAL)
    with messages.ledger.write() as tx:
        [item] = outbox.of_subject(tx, messages.run.id, Outgoing.PROGRESS)
        outbox.recheck(tx, item)  # as after a crash: the comment has to be found by its marker

    messages.send()

    assert [body.split("\n")[0] for body in messages.bodies] == ["**Pushed.**"]


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
