"""The sender sends each message of the outbox once and in order, without secrets."""

import base64
import threading
from collections.abc import Mapping
from dataclasses import replace
from itertools import count

import pytest
from sqlalchemy import select, update
from structlog.testing import capture_logs

from bot.app.worker import build_sender
from bot.domain.change import CheckState
from bot.domain.errors import ForgeError, ForgeUnavailable, LedgerUnavailable
from bot.domain.task import Run
from bot.domain.thread import ReplyTarget, Thread
from bot.reports import sender
from bot.runs.runtime import Runtime
from bot.store import outbox, runs, sender_leases, tasks, threads
from bot.store.ledger import Ledger, clock
from bot.store.outbox import EDIT_EVERY, Item, NewItem, Outgoing
from bot.store.schema import outbox as table
from bot.store.schema import senders as senders_table
from tests.support.fakes import FakeForge
from tests.support.rows import a_thread, a_worker, add_run, add_task
from tests.support.runtimes import TOKEN, a_runtime

SHA = "a" * 40
LEASE = 120.0  # seconds: the lease of a sender in these runtimes
CHANGE = {"head": "forgehand/t1", "base": "main", "title": "Tidy the parser", "body": "Made.", "draft": True}
FINAL = {"lead": "**Pushed.**", "rest": "Next: `/resume`"}
STATUS = {"verdict": CheckState.SUCCESS, "description": "Pushed."}
TEXT = {"text": "some words"}
CONTENT: dict[Outgoing, Mapping[str, object]] = {
    Outgoing.REACTION: {"spot": {"comment_id": 77}},
    Outgoing.LABEL: {"on": False},
    Outgoing.PROGRESS: TEXT,
    Outgoing.REPLY: TEXT,
    Outgoing.STATUS: STATUS,
    Outgoing.CHANGE: CHANGE,
    Outgoing.FINAL: FINAL,
}
TARGET = {Outgoing.LABEL: "forgehand", Outgoing.STATUS: SHA}
COMMENTS = (Outgoing.PROGRESS, Outgoing.REPLY, Outgoing.FINAL)
LASTING = [kind for kind in Outgoing if kind not in (Outgoing.REACTION, Outgoing.PROGRESS)]


class Killed(BaseException):
    """Simulates the death of the process."""


class Outbox:
    """The messages of one run on one thread, and the forge that receives them."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger, self.forge = ledger, FakeForge()
        self.runtime: Runtime = a_runtime(ledger, self.forge)
        with ledger.write() as tx:
            self.run: Run = add_run(tx)
            self.thread: Thread = threads.get(tx, self.run.thread_key)

    def want(self, kind: Outgoing, content: Mapping[str, object] | None = None, *, subject: str = "") -> None:
        wanted = NewItem(
            subject=subject or self.run.id,
            kind=kind,
            thread_key=self.thread.key,
            content=dict(CONTENT[kind] if content is None else content),
            target=TARGET.get(kind, ""),
        )
        with self.ledger.write() as tx:
            outbox.put(tx, wanted)

    def send(self) -> None:
        sender.send(build_sender(self.runtime), self.thread.key)

    def killed_after_writing(self) -> None:
        """Send, and die after the first write, before it is recorded; the thread has no sender then."""

        def die() -> None:
            raise Killed

        self.forge.after = die
        with pytest.raises(Killed):
            self.send()
        self.forge.after = lambda: None

    def later(self, seconds: float) -> None:
        """Move all recorded times this far into the past."""
        with self.ledger.write() as tx:
            tx.execute(
                update(table).values(due_at=table.c.due_at - seconds, sent_at=table.c.sent_at - seconds)
            )

    def item(self, kind: Outgoing) -> Item:
        with self.ledger.read() as tx:
            (item,) = outbox.of_subject(tx, self.run.id, kind)
        return item

    def now(self) -> float:
        """Return the ledger's time."""
        with self.ledger.read() as tx:
            return clock(tx)

    def due_at(self, kind: Outgoing) -> float:
        """Return the time at which the message is due, by the ledger's clock."""
        with self.ledger.read() as tx:
            return float(tx.execute(select(table.c.due_at).where(table.c.kind == kind)).scalar_one())

    def due_in(self, kind: Outgoing) -> float | None:
        """Return the seconds from the creation of the message until it is due; None if it is not due."""
        with self.ledger.read() as tx:
            due = select(table.c.due_at - table.c.created_at).where(table.c.kind == kind)
            found: float | None = tx.execute(due).scalar_one()
        return found

    def refusals(self) -> list[tuple[str, str]]:
        with self.ledger.read() as tx:
            return outbox.refusals(tx, self.run.id)

    @property
    def bodies(self) -> list[str]:
        return self.forge.bodies(self.thread)

    @property
    def writes(self) -> int:
        forge = self.forge
        return len(forge.comments) + len(forge.reactions) + len(forge.statuses) + len(forge.changes)


@pytest.fixture
def messages(ledger: Ledger) -> Outbox:
    return Outbox(ledger)


def test_a_message_of_every_kind_is_written_exactly_once(messages: Outbox) -> None:
    messages.forge.labels[messages.thread.key] = {"forgehand", "bug"}
    for kind in Outgoing:
        messages.want(kind)

    messages.send()
    messages.later(3600)
    messages.send()

    assert messages.forge.reactions == [(messages.thread.key, 77)]
    assert messages.forge.labels[messages.thread.key] == {"bug"}
    [(sha, status)] = messages.forge.statuses
    assert (sha, status.verdict, status.description) == (SHA, CheckState.SUCCESS, "Pushed.")
    assert status.url == messages.runtime.page(messages.run.task)
    [change] = messages.forge.changes
    assert (change.head_branch, change.base_branch, change.draft) == ("forgehand/t1", "main", True)
    reply, final = messages.bodies
    assert reply.startswith("some words\n\n<!-- forgehand:reply:")
    assert final.startswith("**Pushed.** The change is [#101](")


def test_a_reaction_without_a_comment_is_on_the_thread(messages: Outbox) -> None:
    messages.want(Outgoing.REACTION, {"spot": {}})

    messages.send()

    assert messages.forge.reactions == [(messages.thread.key, None)]


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


def test_the_pause_doubles_each_time_a_forge_does_not_answer(messages: Outbox) -> None:
    messages.want(Outgoing.REPLY)
    messages.forge.failing = ForgeUnavailable("It is down.")
    for pause in (2, 4, 8, 16):
        before = messages.now()
        messages.send()
        after, due = messages.now(), messages.due_at(Outgoing.REPLY)

        assert before + pause <= due <= after + pause
        messages.later(pause + after - before)


def test_the_sender_respects_the_retry_after_of_a_forge(messages: Outbox) -> None:
    messages.want(Outgoing.REPLY)
    messages.forge.failing = ForgeUnavailable("Slow down.", retry_after=61)

    messages.send()

    assert messages.due_in(Outgoing.REPLY) == pytest.approx(61, abs=2)


@pytest.mark.alike
@pytest.mark.parametrize("kind", [Outgoing.REACTION, Outgoing.PROGRESS])
def test_an_optional_message_is_dropped_after_three_failures(messages: Outbox, kind: Outgoing) -> None:
    messages.want(kind)
    messages.forge.failing = ForgeUnavailable("It is down.")
    for _ in range(3):
        assert messages.due_in(kind) is not None
        messages.send()
        messages.later(3600)

    assert messages.due_in(kind) is None
    assert messages.refusals() == []  # the forge refused no message


def test_dropped_progress_is_sent_again_with_the_next_text(messages: Outbox) -> None:
    messages.want(Outgoing.PROGRESS)
    messages.forge.failing = ForgeUnavailable("It is down.")
    for _ in range(3):
        messages.send()
        messages.later(3600)
    messages.forge.failing = None

    messages.want(Outgoing.PROGRESS, {"text": "agent"})
    messages.send()

    assert [body.split("\n")[0] for body in messages.bodies] == ["agent"]


@pytest.mark.alike
@pytest.mark.parametrize("kind", LASTING)
def test_other_messages_are_retried_every_five_minutes_until_the_forge_answers(
    messages: Outbox, kind: Outgoing
) -> None:
    messages.want(kind)
    with messages.ledger.write() as tx:
        tx.execute(
            update(table).values(attempts=5_000)
        )  # more than two weeks with a pause of five minutes each
    messages.forge.failing = ForgeUnavailable("It is still down.")

    messages.send()

    assert messages.due_in(kind) == pytest.approx(300, abs=2)
    messages.forge.failing = None
    messages.forge.labels[messages.thread.key] = {"forgehand"}
    messages.later(300)
    messages.send()
    assert messages.writes == (0 if kind is Outgoing.LABEL else 1)
    assert messages.forge.labels[messages.thread.key] == (
        {"forgehand"} if kind is not Outgoing.LABEL else set()
    )


def test_a_refusal_is_recorded_and_delays_no_other_message(messages: Outbox) -> None:
    messages.want(Outgoing.REPLY)
    messages.send()
    messages.forge.comments.clear()  # a person deleted it
    messages.want(Outgoing.REPLY, {"text": "newer"})
    messages.want(Outgoing.STATUS)
    messages.want(Outgoing.FINAL)

    messages.send()
    messages.later(3600)
    messages.send()

    assert messages.refusals() == [("reply", "The comment is not there.")]
    assert len(messages.forge.statuses) == 1
    assert [body.split("\n")[0] for body in messages.bodies] == ["**Pushed.**"]


@pytest.mark.alike
@pytest.mark.parametrize("kind", list(Outgoing))
def test_a_refused_message_is_not_tried_again(messages: Outbox, kind: Outgoing) -> None:
    messages.want(kind)
    messages.forge.failing = ForgeError("GitHub refused: no (403).")
    messages.send()
    messages.forge.failing = None

    messages.later(3600)
    messages.send()

    assert messages.refusals() == [(kind, "GitHub refused: no (403).")]
    assert messages.writes == 0


def test_after_five_unexpected_errors_a_message_is_refused_with_the_number_of_the_incident(
    messages: Outbox,
) -> None:
    messages.want(Outgoing.REPLY)
    messages.forge.failing = ZeroDivisionError("secret detail")
    with capture_logs() as logged:
        for _ in range(6):
            messages.send()
            messages.later(3600)

    numbers = [line["incident"] for line in logged if line["event"] == "report broke"]
    assert len(numbers) == 5
    ((_, words),) = messages.refusals()
    assert f"incident number `{numbers[-1]}`" in words
    assert "secret" not in words


def test_a_message_with_an_id_that_the_ledger_cannot_store_is_refused_and_delays_no_other(
    messages: Outbox,
) -> None:
    messages.want(Outgoing.REPLY)
    messages.want(Outgoing.STATUS)
    messages.forge._ids = count(2**63)

    with capture_logs():
        for _ in range(6):
            messages.send()
            messages.later(3600)

    assert len(messages.forge.statuses) == 1
    assert ["incident" in words for kind, words in messages.refusals() if kind == "reply"] == [True]
    assert messages.due_in(Outgoing.REPLY) is None
    with messages.ledger.read() as tx:
        assert outbox.due_threads(tx, 10) == []


def test_a_message_whose_refusal_the_ledger_cannot_store_is_refused_with_an_incident(
    messages: Outbox,
) -> None:
    messages.want(Outgoing.REPLY)
    # PostgreSQL stores no NUL; neither ledger stores half of a surrogate pair.
    messages.forge.failing = ForgeError("GitHub refused: \x00 \ud800 (422).")

    with capture_logs():
        messages.send()

    assert ["incident" in words for _, words in messages.refusals()] == [True]
    assert messages.due_in(Outgoing.REPLY) is None


@pytest.mark.parametrize("kind", LASTING)
def test_after_ten_errors_of_the_ledger_a_message_is_refused_with_an_incident(
    messages: Outbox, kind: Outgoing
) -> None:
    messages.want(kind)
    messages.forge.failing = LedgerUnavailable("OperationalError: index row size exceeds the maximum")

    with capture_logs():
        for tries in range(10):
            assert messages.due_in(kind) is not None, tries
            messages.send()
            messages.later(3600)

    assert messages.due_in(kind) is None
    assert ["incident" in words for _, words in messages.refusals()] == [True]


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

    assert "A change could not be opened: GitHub refused: Validation Failed (422)." in messages.bodies[0]


def test_the_final_comment_mentions_that_the_branch_has_no_commits_for_a_change(messages: Outbox) -> None:
    messages.forge.no_commits = True
    messages.want(Outgoing.CHANGE)
    messages.want(Outgoing.FINAL)

    messages.send()

    reason = "`main` already has every commit of `forgehand/t1`."
    assert f"A change could not be opened: {reason}" in messages.bodies[0]
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


@pytest.mark.parametrize("change", ["without a change", "with a change"])
def test_the_last_edit_of_the_progress_comment_follows_the_final_comment(
    messages: Outbox, change: str
) -> None:
    messages.want(Outgoing.PROGRESS, {"text": "pushing"})
    messages.send()
    messages.later(EDIT_EVERY)
    at_final: list[str] = []
    messages.forge.after = lambda: (
        at_final.extend(messages.bodies) if len(messages.bodies) == 2 and not at_final else None
    )
    if change == "with a change":
        messages.want(Outgoing.CHANGE)
    messages.want(Outgoing.PROGRESS, {"text": "has ended"})
    messages.want(Outgoing.FINAL)

    messages.send()

    assert [body.split("\n")[0].split(" The")[0] for body in at_final] == ["pushing", "**Pushed.**"]
    assert messages.bodies[0].startswith("has ended")


@pytest.mark.parametrize("forge", ["answers", "was unavailable"])
def test_progress_that_was_never_posted_is_not_posted_at_the_end(messages: Outbox, forge: str) -> None:
    messages.want(Outgoing.PROGRESS, {"text": "has ended"})
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


FORMS = [TOKEN, base64.b64encode(f"x-access-token:{TOKEN}".encode()).decode(), "ghp_" + "a1B2" * 9]


@pytest.mark.alike
@pytest.mark.parametrize("secret", FORMS, ids=["raw", "base64", "pattern of a token"])
@pytest.mark.parametrize("gap", ["", "\u200b"], ids=["whole", "with a gap"])
def test_no_secret_reaches_the_forge_in_a_title(messages: Outbox, secret: str, gap: str) -> None:
    messages.want(Outgoing.CHANGE, CHANGE | {"title": f"Use {secret[:9]}{gap}{secret[9:]}"})

    messages.send()

    [change] = messages.forge.changes
    assert "[redacted]" in change.title
    assert secret[12:24] not in change.title


@pytest.mark.alike
@pytest.mark.parametrize("secret", FORMS, ids=["raw", "base64", "pattern of a token"])
def test_no_secret_reaches_the_forge_in_a_comment_or_a_change(messages: Outbox, secret: str) -> None:
    words = f"Use {secret} there."
    messages.want(Outgoing.PROGRESS, {"text": words})
    messages.send()
    messages.want(Outgoing.REPLY, {"text": words})
    messages.want(Outgoing.CHANGE, CHANGE | {"body": words})
    messages.want(Outgoing.FINAL, {"lead": words, "rest": words})

    messages.send()

    written = [*messages.bodies, messages.forge.changes[0].body]
    assert len(written) == 4
    assert all("[redacted]" in text and secret[12:24] not in text for text in written)


@pytest.mark.alike
@pytest.mark.parametrize("kind", COMMENTS)
def test_a_long_comment_is_cut_to_the_limit_of_the_forge_and_has_its_whole_marker(
    messages: Outbox, kind: Outgoing
) -> None:
    text = "é" * 100_000
    messages.want(kind, {"lead": text, "rest": text} if kind is Outgoing.FINAL else {"text": text})

    messages.send()

    assert messages.forge.comment_limit() - 20 < len(messages.bodies[0]) <= messages.forge.comment_limit()
    assert messages.bodies[0].endswith(f"\n\n<!-- forgehand:{kind}:{messages.run.id} -->")


def test_two_concurrent_senders_write_each_message_once(messages: Outbox) -> None:
    subjects = [f"comment:{number}" for number in range(12)]
    for subject in subjects:
        messages.want(Outgoing.REPLY, subject=subject)
    together = threading.Barrier(2)

    def send(holder: str) -> None:
        runtime = replace(messages.runtime, worker=a_worker(holder))
        together.wait()
        sender.send(build_sender(runtime), messages.thread.key)

    both = [threading.Thread(target=send, args=(holder,)) for holder in ("w1", "w2")]
    for one in both:
        one.start()
    for one in both:
        one.join()

    markers = sorted(body.rsplit("\n", 1)[1] for body in messages.bodies)
    assert markers == sorted(f"<!-- forgehand:reply:{subject} -->" for subject in subjects)


def test_the_active_sender_of_a_thread_sends_a_message_that_arrives_meanwhile(messages: Outbox) -> None:
    other = replace(messages.runtime, worker=a_worker("w2"))

    def meanwhile() -> None:
        messages.forge.after = lambda: None
        messages.want(Outgoing.STATUS)
        sender.send(build_sender(other), messages.thread.key)
        assert messages.forge.statuses == []  # the thread already has a sender

    messages.forge.after = meanwhile
    messages.want(Outgoing.REPLY)

    messages.send()

    assert len(messages.forge.statuses) == 1


def test_a_sender_that_lost_its_lease_leaves_the_remaining_messages_to_the_next_sender(
    messages: Outbox,
) -> None:
    messages.want(Outgoing.REPLY)
    messages.want(Outgoing.STATUS)

    def too_long() -> None:
        messages.forge.after = lambda: None
        with messages.ledger.write() as tx:
            tx.execute(update(senders_table).values(until=senders_table.c.until - LEASE - 1))
            assert sender_leases.take(tx, messages.thread.key, "w2", seconds=LEASE)

    messages.forge.after = too_long

    messages.send()

    assert len(messages.bodies) == 1
    assert messages.forge.statuses == []
    with messages.ledger.read() as tx:
        assert tx.execute(select(senders_table.c.holder)).scalars().all() == ["w2"]


def test_a_thread_of_a_forge_that_is_not_set_up_is_skipped(messages: Outbox) -> None:
    messages.want(Outgoing.REPLY)

    sender.send(build_sender(replace(messages.runtime, forges={})), messages.thread.key)

    assert messages.item(Outgoing.REPLY).attempts == 0
    messages.send()
    assert len(messages.bodies) == 1


def test_only_the_messages_of_one_thread_are_sent(messages: Outbox) -> None:
    with messages.ledger.write() as tx:
        other = runs.get(tx, add_run(tx, add_task(tx, a_thread())).id)
        wanted = NewItem(subject=other.id, kind=Outgoing.REPLY, thread_key=other.thread_key, content=TEXT)
        outbox.put(tx, wanted)
    messages.want(Outgoing.REPLY)

    messages.send()

    assert [key for key, _ in messages.forge.comments.values()] == [messages.thread.key]


def test_the_newer_of_the_comments_of_two_senders_is_deleted(messages: Outbox) -> None:
    def meanwhile() -> None:
        messages.forge.after = lambda: None
        [body] = messages.bodies
        messages.forge.comment(
            messages.thread, body, ReplyTarget()
        )  # like a next sender that found no comment yet
        with messages.ledger.write() as tx:
            tx.execute(update(senders_table).values(until=senders_table.c.until - LEASE - 1))
            assert sender_leases.take(tx, messages.thread.key, "w2", seconds=LEASE)
            sender_leases.release(tx, messages.thread.key, "w2")

    messages.want(Outgoing.REPLY)
    messages.forge.after = meanwhile

    messages.send()

    assert list(messages.forge.comments) == [1]
    assert (messages.item(Outgoing.REPLY).remote_id, messages.due_in(Outgoing.REPLY)) == (1, None)
