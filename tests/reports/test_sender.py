"""What stands in the outbox, told to a forge: once each, in order, and nothing of ours with it."""

import base64
import threading
from collections.abc import Mapping
from dataclasses import replace
from itertools import count

import pytest
from sqlalchemy import select, update
from structlog.testing import capture_logs

from bot.domain.change import CheckState
from bot.domain.errors import ForgeError, ForgeUnavailable, LedgerUnavailable
from bot.domain.task import Run
from bot.domain.thread import ReplyTarget, Thread
from bot.reports import sender
from bot.runs.runtime import Runtime
from bot.store import outbox, runs, tasks, thread_senders, threads
from bot.store.ledger import Ledger, clock
from bot.store.outbox import EDIT_EVERY, Item, NewItem, Outgoing
from bot.store.schema import outbox as table
from bot.store.schema import senders as senders_table
from tests.support.fakes import FakeForge
from tests.support.rows import a_thread, a_worker, add_run, add_task
from tests.support.runtimes import TOKEN, a_runtime

SHA = "a" * 40
LEASE = 120.0  # seconds: a sender's, in a house like these
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
    """The process is gone, here and now."""


class Told:
    """One thread with one run, what is wanted there, and the forge that hears of it."""

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
        sender.send(self.runtime.sender(), self.thread.key)

    def killed_after_writing(self) -> None:
        """Send, and die between the first write and its record; another process finds the thread free."""

        def die() -> None:
            raise Killed

        self.forge.after = die
        with pytest.raises(Killed):
            self.send()
        self.forge.after = lambda: None

    def later(self, seconds: float) -> None:
        """Everything recorded was that much earlier."""
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
        """Return when it is due, by the ledger's time."""
        with self.ledger.read() as tx:
            return float(tx.execute(select(table.c.due_at).where(table.c.kind == kind)).scalar_one())

    def due_in(self, kind: Outgoing) -> float | None:
        """Seconds; None: never."""
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
def told(ledger: Ledger) -> Told:
    return Told(ledger)


def test_every_kind_is_written_and_written_once(told: Told) -> None:
    told.forge.labels[told.thread.key] = {"forgehand", "bug"}
    for kind in Outgoing:
        told.want(kind)

    told.send()
    told.later(3600)
    told.send()

    assert told.forge.reactions == [(told.thread.key, 77)]
    assert told.forge.labels[told.thread.key] == {"bug"}
    [(sha, status)] = told.forge.statuses
    assert (sha, status.verdict, status.description) == (SHA, CheckState.SUCCESS, "Pushed.")
    assert status.url == told.runtime.page(told.run.task)
    [change] = told.forge.changes
    assert (change.head_branch, change.base_branch, change.draft) == ("forgehand/t1", "main", True)
    reply, final = told.bodies
    assert reply.startswith("some words\n\n<!-- forgehand:reply:")
    assert final.startswith("**Pushed.** The change is [#101](")


def test_a_reaction_without_a_comment_is_on_the_thread(told: Told) -> None:
    told.want(Outgoing.REACTION, {"spot": {}})

    told.send()

    assert told.forge.reactions == [(told.thread.key, None)]


@pytest.mark.parametrize("kind", COMMENTS)
def test_a_comment_posted_before_a_crash_is_found_and_edited(told: Told, kind: Outgoing) -> None:
    told.want(kind)
    told.killed_after_writing()
    (before,) = told.forge.comments
    newer = FINAL | {"rest": "newer"} if kind is Outgoing.FINAL else {"text": "newer"}
    told.want(kind, newer)

    told.send()

    [(comment, (_, body))] = told.forge.comments.items()
    assert comment == before == told.item(kind).remote_id
    assert "newer" in body


def test_a_crash_before_the_post_posts_it_after_all(told: Told) -> None:
    told.want(Outgoing.REPLY)
    with told.ledger.write() as tx:
        outbox.begin_attempt(tx, told.item(Outgoing.REPLY))

    told.send()

    assert len(told.bodies) == 1


def test_of_two_with_one_marker_the_younger_is_deleted(told: Told) -> None:
    told.want(Outgoing.REPLY)
    told.killed_after_writing()
    (older,) = told.forge.comments
    told.forge.comment(told.thread, told.bodies[0], ReplyTarget())

    told.send()

    assert list(told.forge.comments) == [older]
    assert told.item(Outgoing.REPLY).remote_id == older


def test_another_run_with_a_longer_number_is_not_taken_for_a_twin(told: Told) -> None:
    told.want(Outgoing.REPLY, subject=f"{told.run.id}1")
    told.send()
    told.want(Outgoing.REPLY)
    told.killed_after_writing()

    told.send()

    assert len(told.bodies) == 2


def test_what_a_silent_forge_did_not_take_is_put_off_for_twice_as_long_each_time(told: Told) -> None:
    told.want(Outgoing.REPLY)
    told.forge.failing = ForgeUnavailable("It is down.")
    for pause in (2, 4, 8, 16):
        before = told.now()
        told.send()
        after, due = told.now(), told.due_at(Outgoing.REPLY)

        assert before + pause <= due <= after + pause
        told.later(pause + after - before)


def test_the_time_a_forge_names_is_kept(told: Told) -> None:
    told.want(Outgoing.REPLY)
    told.forge.failing = ForgeUnavailable("Slow down.", retry_after=61)

    told.send()

    assert told.due_in(Outgoing.REPLY) == pytest.approx(61, abs=2)


@pytest.mark.parametrize("kind", [Outgoing.REACTION, Outgoing.PROGRESS])
def test_what_is_only_nice_to_have_is_dropped_after_three_tries(told: Told, kind: Outgoing) -> None:
    told.want(kind)
    told.forge.failing = ForgeUnavailable("It is down.")
    for _ in range(3):
        assert told.due_in(kind) is not None
        told.send()
        told.later(3600)

    assert told.due_in(kind) is None
    assert told.refusals() == []  # nobody refused anything


def test_progress_that_was_dropped_is_told_again_once_there_is_news(told: Told) -> None:
    told.want(Outgoing.PROGRESS)
    told.forge.failing = ForgeUnavailable("It is down.")
    for _ in range(3):
        told.send()
        told.later(3600)
    told.forge.failing = None

    told.want(Outgoing.PROGRESS, {"text": "agent"})
    told.send()

    assert [body.split("\n")[0] for body in told.bodies] == ["agent"]


@pytest.mark.parametrize("kind", LASTING)
def test_facts_are_tried_for_ever(told: Told, kind: Outgoing) -> None:
    told.want(kind)
    with told.ledger.write() as tx:
        tx.execute(update(table).values(attempts=5_000))  # more than two weeks of five minutes each
    told.forge.failing = ForgeUnavailable("It is still down.")

    told.send()

    assert told.due_in(kind) == pytest.approx(300, abs=2)
    told.forge.failing = None
    told.forge.labels[told.thread.key] = {"forgehand"}
    told.later(300)
    told.send()
    assert told.writes == (0 if kind is Outgoing.LABEL else 1)
    assert told.forge.labels[told.thread.key] == ({"forgehand"} if kind is not Outgoing.LABEL else set())


def test_a_refusal_is_recorded_in_words_and_keeps_nothing_else_back(told: Told) -> None:
    told.want(Outgoing.REPLY)
    told.send()
    told.forge.comments.clear()  # a person deleted it
    told.want(Outgoing.REPLY, {"text": "newer"})
    told.want(Outgoing.STATUS)
    told.want(Outgoing.FINAL)

    told.send()
    told.later(3600)
    told.send()

    assert told.refusals() == [("reply", "The comment is not there.")]
    assert len(told.forge.statuses) == 1
    assert [body.split("\n")[0] for body in told.bodies] == ["**Pushed.**"]


@pytest.mark.parametrize("kind", list(Outgoing))
def test_what_was_refused_is_not_tried_again(told: Told, kind: Outgoing) -> None:
    told.want(kind)
    told.forge.failing = ForgeError("GitHub refused: no (403).")
    told.send()
    told.forge.failing = None

    told.later(3600)
    told.send()

    assert told.refusals() == [(kind, "GitHub refused: no (403).")]
    assert told.writes == 0


def test_what_breaks_on_our_side_is_tried_five_times_and_then_shown_with_its_number(told: Told) -> None:
    told.want(Outgoing.REPLY)
    told.forge.failing = ZeroDivisionError("secret detail")
    with capture_logs() as logged:
        for _ in range(6):
            told.send()
            told.later(3600)

    numbers = [line["incident"] for line in logged if line["event"] == "report broke"]
    assert len(numbers) == 5
    ((_, words),) = told.refusals()
    assert f"incident `{numbers[-1]}`" in words
    assert "secret" not in words


def test_an_id_that_the_ledger_cannot_take_ends_the_row_and_holds_up_no_other(told: Told) -> None:
    told.want(Outgoing.REPLY)
    told.want(Outgoing.STATUS)
    told.forge._ids = count(2**63)

    with capture_logs():
        for _ in range(6):
            told.send()
            told.later(3600)

    assert len(told.forge.statuses) == 1
    assert ["incident" in words for kind, words in told.refusals() if kind == "reply"] == [True]
    assert told.due_in(Outgoing.REPLY) is None
    with told.ledger.read() as tx:
        assert outbox.due_threads(tx, 10) == []


def test_words_that_the_ledger_cannot_take_end_the_row_all_the_same(told: Told) -> None:
    told.want(Outgoing.REPLY)
    # PostgreSQL takes no NUL; neither of the two takes half of a character.
    told.forge.failing = ForgeError("GitHub refused: \x00 \ud800 (422).")

    with capture_logs():
        told.send()

    assert ["incident" in words for _, words in told.refusals()] == [True]
    assert told.due_in(Outgoing.REPLY) is None


@pytest.mark.parametrize("kind", LASTING)
def test_what_only_the_ledger_fails_at_is_tried_ten_times_and_then_shown(told: Told, kind: Outgoing) -> None:
    told.want(kind)
    told.forge.failing = LedgerUnavailable("OperationalError: index row size exceeds the maximum")

    with capture_logs():
        for tries in range(10):
            assert told.due_in(kind) is not None, tries
            told.send()
            told.later(3600)

    assert told.due_in(kind) is None
    assert ["incident" in words for _, words in told.refusals()] == [True]


def test_the_final_comment_waits_for_the_change_and_names_it(told: Told) -> None:
    told.want(Outgoing.CHANGE)
    told.want(Outgoing.FINAL)
    told.forge.failing = ForgeUnavailable("It is down.", retry_after=30)
    told.send()
    told.forge.failing = None
    told.later(10)
    told.send()
    assert told.bodies == []

    told.later(30)
    told.send()

    with told.ledger.read() as tx:
        task = tasks.get(tx, told.run.task)
    assert (task.change_number, task.change_url) == (101, f"{told.thread.repository_url}/pull/101")
    assert told.bodies[0].startswith(f"**Pushed.** The change is [#101]({task.change_url}).")


def test_the_final_comment_says_why_no_change_could_be_opened(told: Told) -> None:
    told.want(Outgoing.CHANGE)
    told.forge.failing = ForgeError("GitHub refused: Validation Failed (422).")
    told.send()
    told.forge.failing = None

    told.want(Outgoing.FINAL)
    told.send()

    assert "A change could not be opened: GitHub refused: Validation Failed (422)." in told.bodies[0]


def test_where_there_is_nothing_to_open_the_final_comment_says_so(told: Told) -> None:
    told.forge.no_commits = True
    told.want(Outgoing.CHANGE)
    told.want(Outgoing.FINAL)

    told.send()

    reason = "`main` already has every commit of `forgehand/t1`."
    assert f"A change could not be opened: {reason}" in told.bodies[0]
    with told.ledger.read() as tx:
        assert tasks.get(tx, told.run.task).change_number is None


def test_progress_is_edited_in_place(told: Told) -> None:
    told.want(Outgoing.PROGRESS, {"text": "preparing"})
    told.send()
    (posted,) = told.forge.comments

    told.want(Outgoing.PROGRESS, {"text": "agent"})
    told.send()
    assert told.bodies[0].startswith("preparing")
    told.later(EDIT_EVERY)
    told.send()

    assert list(told.forge.comments) == [posted]
    assert told.bodies[0].startswith("agent")


@pytest.mark.parametrize("change", ["none to open", "one to open"])
def test_the_last_words_of_progress_come_after_the_final_comment(told: Told, change: str) -> None:
    told.want(Outgoing.PROGRESS, {"text": "pushing"})
    told.send()
    told.later(EDIT_EVERY)
    at_final: list[str] = []
    told.forge.after = lambda: (
        at_final.extend(told.bodies) if len(told.bodies) == 2 and not at_final else None
    )
    if change == "one to open":
        told.want(Outgoing.CHANGE)
    told.want(Outgoing.PROGRESS, {"text": "has ended"})
    told.want(Outgoing.FINAL)

    told.send()

    assert [body.split("\n")[0].split(" The")[0] for body in at_final] == ["pushing", "**Pushed.**"]
    assert told.bodies[0].startswith("has ended")


@pytest.mark.parametrize("forge", ["answers", "was away"])
def test_progress_that_was_never_posted_is_not_posted_at_the_end(told: Told, forge: str) -> None:
    told.want(Outgoing.PROGRESS, {"text": "has ended"})
    told.want(Outgoing.FINAL)
    if forge == "was away":
        told.forge.failing = ForgeUnavailable("It is down.")
        told.send()
        told.forge.failing = None
        told.later(10)

    told.send()
    told.later(3600)
    told.send()

    assert [body.split("\n")[0] for body in told.bodies] == ["**Pushed.**"]


FORMS = [TOKEN, base64.b64encode(f"x-access-token:{TOKEN}".encode()).decode(), "ghp_" + "a1B2" * 9]


@pytest.mark.parametrize("secret", FORMS, ids=["raw", "base64", "the shape of a token"])
@pytest.mark.parametrize("gap", ["", "\u200b"], ids=["whole", "with a gap"])
def test_no_secret_reaches_the_forge_in_a_title(told: Told, secret: str, gap: str) -> None:
    told.want(Outgoing.CHANGE, CHANGE | {"title": f"Use {secret[:9]}{gap}{secret[9:]}"})

    told.send()

    [change] = told.forge.changes
    assert "[redacted]" in change.title
    assert secret[12:24] not in change.title


@pytest.mark.parametrize("secret", FORMS, ids=["raw", "base64", "the shape of a token"])
def test_no_secret_reaches_the_forge_in_a_comment_or_a_change(told: Told, secret: str) -> None:
    words = f"Use {secret} there."
    told.want(Outgoing.PROGRESS, {"text": words})
    told.send()
    told.want(Outgoing.REPLY, {"text": words})
    told.want(Outgoing.CHANGE, CHANGE | {"body": words})
    told.want(Outgoing.FINAL, {"lead": words, "rest": words})

    told.send()

    written = [*told.bodies, told.forge.changes[0].body]
    assert len(written) == 4
    assert all("[redacted]" in text and secret[12:24] not in text for text in written)


@pytest.mark.parametrize("kind", COMMENTS)
def test_a_comment_keeps_to_the_forges_limit_with_its_marker_whole(told: Told, kind: Outgoing) -> None:
    text = "é" * 100_000
    told.want(kind, {"lead": text, "rest": text} if kind is Outgoing.FINAL else {"text": text})

    told.send()

    assert told.forge.comment_limit() - 20 < len(told.bodies[0]) <= told.forge.comment_limit()
    assert told.bodies[0].endswith(f"\n\n<!-- forgehand:{kind}:{told.run.id} -->")


def test_two_senders_at_once_write_each_row_once(told: Told) -> None:
    subjects = [f"comment:{number}" for number in range(12)]
    for subject in subjects:
        told.want(Outgoing.REPLY, subject=subject)
    together = threading.Barrier(2)

    def send(holder: str) -> None:
        runtime = replace(told.runtime, worker=a_worker(holder))
        together.wait()
        sender.send(runtime.sender(), told.thread.key)

    both = [threading.Thread(target=send, args=(holder,)) for holder in ("w1", "w2")]
    for one in both:
        one.start()
    for one in both:
        one.join()

    markers = sorted(body.rsplit("\n", 1)[1] for body in told.bodies)
    assert markers == sorted(f"<!-- forgehand:reply:{subject} -->" for subject in subjects)


def test_a_row_that_arrives_while_another_sends_is_sent_by_that_one(told: Told) -> None:
    other = replace(told.runtime, worker=a_worker("w2"))

    def meanwhile() -> None:
        told.forge.after = lambda: None
        told.want(Outgoing.STATUS)
        sender.send(other.sender(), told.thread.key)
        assert told.forge.statuses == []  # turned away: the thread has its sender

    told.forge.after = meanwhile
    told.want(Outgoing.REPLY)

    told.send()

    assert len(told.forge.statuses) == 1


def test_a_sender_that_took_too_long_leaves_the_rest_to_the_next(told: Told) -> None:
    told.want(Outgoing.REPLY)
    told.want(Outgoing.STATUS)

    def too_long() -> None:
        told.forge.after = lambda: None
        with told.ledger.write() as tx:
            tx.execute(update(senders_table).values(until=senders_table.c.until - LEASE - 1))
            assert thread_senders.take(tx, told.thread.key, "w2", seconds=LEASE)

    told.forge.after = too_long

    told.send()

    assert len(told.bodies) == 1
    assert told.forge.statuses == []
    with told.ledger.read() as tx:
        assert tx.execute(select(senders_table.c.holder)).scalars().all() == ["w2"]


def test_a_thread_of_a_forge_that_is_not_here_is_left_alone(told: Told) -> None:
    told.want(Outgoing.REPLY)

    sender.send(replace(told.runtime, forges={}).sender(), told.thread.key)

    assert told.item(Outgoing.REPLY).attempts == 0
    told.send()
    assert len(told.bodies) == 1


def test_threads_are_apart(told: Told) -> None:
    with told.ledger.write() as tx:
        other = runs.get(tx, add_run(tx, add_task(tx, a_thread())).id)
        wanted = NewItem(subject=other.id, kind=Outgoing.REPLY, thread_key=other.thread_key, content=TEXT)
        outbox.put(tx, wanted)
    told.want(Outgoing.REPLY)

    told.send()

    assert [key for key, _ in told.forge.comments.values()] == [told.thread.key]


def test_of_what_two_senders_posted_the_younger_is_deleted(told: Told) -> None:
    def meanwhile() -> None:
        told.forge.after = lambda: None
        [body] = told.bodies
        told.forge.comment(
            told.thread, body, ReplyTarget()
        )  # as the next one did, who found nothing there yet
        with told.ledger.write() as tx:
            tx.execute(update(senders_table).values(until=senders_table.c.until - LEASE - 1))
            assert thread_senders.take(tx, told.thread.key, "w2", seconds=LEASE)
            thread_senders.release(tx, told.thread.key, "w2")

    told.want(Outgoing.REPLY)
    told.forge.after = meanwhile

    told.send()

    assert list(told.forge.comments) == [1]
    assert (told.item(Outgoing.REPLY).remote_id, told.due_in(Outgoing.REPLY)) == (1, None)
