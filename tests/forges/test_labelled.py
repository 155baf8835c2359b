"""Labels that are on threads now, read from both playgrounds as the events of their deliveries."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from bot.domain.errors import ForgeGone
from bot.domain.event import Labelled, idempotency_keys, label_key
from bot.domain.thread import Kind
from bot.forges.forge import Forge
from bot.forges.gitlab.adapter import GitLab
from bot.playground.state import now
from tests.support.playground_clones import push_commit
from tests.support.playground_gitlab import AnyPlayground, GitLabPlayground
from tests.support.playground_receiver import Receiver
from tests.support.waiting import eventually

LABELS = ["forgehand", "forgehand:codex"]


def found(forge: Forge, playground: AnyPlayground) -> list[Labelled]:
    return forge.labelled(playground.repository_id, LABELS)


def delivered(forge: Forge, receiver: Receiver) -> list[Labelled]:
    """Return the label events of all deliveries so far."""
    kind = {"github": "X-GitHub-Event", "gitlab": "X-Gitlab-Event"}[forge.name]
    events = [event for headers, body in list(receiver.got) for event in forge.events(headers[kind], body)]
    return [event for event in events if isinstance(event, Labelled)]


def test_a_thread_without_the_bots_label_is_not_found(forge: Forge, playground: AnyPlayground) -> None:
    playground.label(1, "bug")

    assert found(forge, playground) == []


def test_a_found_label_has_its_actor_its_time_and_the_text_of_the_thread(
    forge: Forge, playground: AnyPlayground
) -> None:
    number = playground.open_issue("Sort the keys", "By name.")
    playground.label(number, "forgehand", as_="ann")

    (event,) = found(forge, playground)

    thread = event.thread
    assert (thread.kind, thread.number, thread.title) == (Kind.ISSUE, number, "Sort the keys")
    assert (thread.repository_url, thread.path) == (playground.html_url, playground.path)
    assert (event.actor.login, event.actor.bot, event.label) == ("ann", False, "forgehand")
    assert forge.may_write(thread, event.actor)
    (part,) = event.context
    assert (part.text, part.author) == ("Sort the keys\n\nBy name.", "ann")
    assert event.cause == label_key(thread, "forgehand", event.at)
    assert event.changed_at is not None
    assert abs((event.changed_at - event.at).total_seconds()) <= 1
    assert abs((datetime.now(UTC) - event.at).total_seconds()) < 10


def test_the_last_person_who_added_a_label_is_its_actor(forge: Forge, playground: AnyPlayground) -> None:
    playground.set_permission("reader", "triage")
    playground.label(1, "forgehand")
    playground.unlabel(1, "forgehand")
    playground.label(1, "forgehand", as_="reader")
    playground.label(1, "bug")

    (event,) = found(forge, playground)

    assert event.actor.login == "reader"


def test_the_actor_of_a_label_is_read_from_the_last_of_several_pages_of_events(
    forge: Forge, playground: AnyPlayground
) -> None:
    for _ in range(51):
        playground.label(1, "forgehand")
        playground.unlabel(1, "forgehand")
    playground.set_permission("reader", "triage")
    playground.label(1, "forgehand", as_="reader")

    (event,) = found(forge, playground)

    assert event.actor.login == "reader"


def test_a_change_with_two_labels_is_found_once_for_each_label(
    forge: Forge, playground: AnyPlayground
) -> None:
    head = push_commit(playground, "topic")
    change = playground.open_pull("Mine", head="topic")
    for label in LABELS:
        playground.label(change, label)

    first, second = found(forge, playground)

    assert [first.label, second.label] == LABELS
    assert {(each.thread.kind, each.thread.number) for each in (first, second)} == {(Kind.CHANGE, change)}
    assert first.head == (head if playground.forge == "gitlab" else "")


def test_a_closed_thread_is_not_found(forge: Forge, playground: AnyPlayground) -> None:
    playground.label(1, "forgehand")
    playground.close_issue(1)

    assert found(forge, playground) == []


def test_a_thread_edited_after_the_label_has_a_later_time_of_change(
    forge: Forge, playground: AnyPlayground
) -> None:
    playground.label(1, "forgehand")
    put_on = now()  # in whole seconds, as on GitHub
    eventually(lambda: now() > put_on)
    playground.edit_issue(1, title="Another")

    (event,) = found(forge, playground)

    assert event.changed_at is not None
    assert event.changed_at > event.at


def test_a_label_in_a_renamed_repository_is_found_under_the_new_name(
    forge: Forge, playground: AnyPlayground
) -> None:
    playground.label(1, "forgehand")
    playground.rename("hammer")

    (event,) = found(forge, playground)

    assert event.thread.path == "acme/hammer"
    assert event.thread.repository_url == playground.html_url


def test_a_found_label_has_the_thread_actor_and_idempotency_keys_of_its_delivery(
    forge: Forge, playground: AnyPlayground
) -> None:
    push_commit(playground, "topic")
    change = playground.open_pull("Mine", head="topic")
    with Receiver() as receiver:
        playground.set_webhook(receiver.url)
        playground.label(1, "forgehand")
        playground.label(change, "forgehand")
        eventually(lambda: len(delivered(forge, receiver)) == 2)
        told = delivered(forge, receiver)

    seen = {event.thread.key: event for event in found(forge, playground)}

    assert len(seen) == 2
    for one in told:
        other = seen[one.thread.key]
        assert (one.thread, one.actor, one.label) == (other.thread, other.actor, other.label)
        assert set(idempotency_keys(one)) <= set(idempotency_keys(other))


def test_a_label_on_a_confidential_issue_is_found_with_a_confidential_thread(tmp_path: Path) -> None:
    with GitLabPlayground(tmp_path / "playground") as playground:
        playground.set_permission(playground.bot_name, "push")
        playground.label(playground.open_issue("Hidden", confidential=True), "forgehand")

        (event,) = found(GitLab(url=playground.api_url, token=playground.token), playground)

    assert event.thread.confidential


def test_a_missing_repository_is_reported_as_gone(forge: Forge, playground: AnyPlayground) -> None:
    with pytest.raises(ForgeGone):
        forge.labelled(999_999, LABELS)
