"""Labels whose delivery was lost are found by the scan, and answered once, as their delivery would be."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from bot.commands.answer import Answer
from bot.commands.label_scan import LabelScan
from bot.domain.errors import ForgeGone, ForgeUnavailable
from bot.domain.event import Labelled, label_key
from bot.domain.nudges import Nudges
from bot.domain.task import Run
from bot.domain.thread import Actor, Thread
from bot.forges.prompt_parts import thread_part
from bot.store import causes, runs, schema, threads
from bot.store.ledger import Ledger
from handlers import router
from tests.support.commander import ANN, CHANGE, DEFAULTS, ISSUE, a_change, patch_url
from tests.support.fakes import FakeForge

EVE = Actor(id=66, login="eve")
OTHER = replace(ISSUE, repository_id=2, repository_url="https://github.com/acme/hammer", path="acme/hammer")


@dataclass
class Bot:
    ledger: Ledger
    forge: FakeForge = field(default_factory=lambda: FakeForge(writers={"ann"}))
    allow: Sequence[str] = ("acme",)
    nudged: list[str] = field(default_factory=list)
    stopping: threading.Event = field(default_factory=threading.Event)

    def scan(self, *, age: float = 120.0) -> None:
        answer = Answer(
            ledger=self.ledger,
            forges={"github": self.forge},
            router=router,
            allow=self.allow,
            defaults=DEFAULTS,
            nudges=Nudges(
                answer=lambda _forge, _id: None,
                work=lambda: self.nudged.append("work"),
                report=self.nudged.append,
            ),
            patch_url=patch_url,
            task_url=patch_url,
        )
        LabelScan(
            ledger=self.ledger,
            forges=answer.forges,
            labels=["forgehand"],
            allow=self.allow,
            answer=answer.answer_label,
            age=age,
            stopping=self.stopping,
        ).once()

    def remember_threads(self, *known: Thread) -> None:
        """Record these threads as if a command had been given on each."""
        with self.ledger.write() as tx:
            for thread in known:
                threads.add(tx, thread.key, thread)

    def add_label(self, event: Labelled) -> None:
        """Add the label to the thread, for the scan to find."""
        self.forge.labels.setdefault(event.thread.key, set()).add(event.label)
        self.forge.found.append(event)

    def runs(self) -> list[Run]:
        with self.ledger.read() as tx:
            return [runs.value(row) for row in tx.execute(select(schema.runs))]

    def outbox(self) -> list[tuple[str, str]]:
        o = schema.outbox.c
        with self.ledger.read() as tx:
            return [(row.kind, row.content) for row in tx.execute(select(o.kind, o.content).order_by(o.id))]


@pytest.fixture
def bot(ledger: Ledger) -> Bot:
    bot = Bot(ledger)
    bot.remember_threads(ISSUE)
    return bot


def a_label(
    ago: float = 600, *, thread: Thread = ISSUE, by: Actor = ANN, label: str = "forgehand", changed: float = 0
) -> Labelled:
    """Return a label added `ago` seconds ago; its thread last changed `changed` seconds after that."""
    when = datetime.now(UTC) - timedelta(seconds=ago)
    return Labelled(
        cause=label_key(thread, label, when),
        thread=thread,
        actor=by,
        at=when,
        context=(thread_part(thread, "It is untidy.", author="ben", at="2026-11-01T09:00:00Z"),),
        label=label,
        changed_at=when + timedelta(seconds=changed),
    )


def delivered_key(event: Labelled, *, later: float = 0) -> str:
    """Return the idempotency key of the label's own delivery."""
    return label_key(event.thread, event.label, event.at + timedelta(seconds=later))


def test_a_label_without_a_delivery_queues_a_run(bot: Bot) -> None:
    event = a_label()
    bot.add_label(event)

    bot.scan()

    (run,) = bot.runs()
    assert (run.request, run.cause, run.asked_by) == ("Do what this thread asks", event.cause, ANN)
    assert run.context[0].text == "Tidy the parser\n\nIt is untidy."
    assert [kind for kind, _ in bot.outbox()] == ["reaction", "label", "progress"]
    assert bot.nudged == [ISSUE.key, "work"]


def test_a_label_is_answered_once_even_if_it_remains_on_the_thread(bot: Bot) -> None:
    bot.add_label(a_label())

    for _ in range(3):
        bot.scan()

    assert len(bot.runs()) == 1
    assert len(bot.outbox()) == 3


@pytest.mark.parametrize("later", [-1, 0, 1, 2])
def test_a_label_that_was_answered_by_its_delivery_is_not_answered_again(bot: Bot, later: float) -> None:
    event = a_label()
    bot.add_label(event)
    with bot.ledger.write() as tx:
        causes.add(tx, "github", 1, delivered_key(event, later=later))

    bot.scan()

    assert bot.runs() == []
    assert bot.nudged == []


@pytest.mark.parametrize("later", [-1, 0, 1, 2])
def test_a_delivery_after_the_scan_is_a_duplicate(bot: Bot, later: float) -> None:
    event = a_label()
    bot.add_label(event)

    bot.scan()

    with bot.ledger.write() as tx:
        assert not causes.add(tx, "github", 1, delivered_key(event, later=later))


def test_a_label_is_answered_once_by_five_simultaneous_scans(bot: Bot) -> None:
    bot.add_label(a_label())

    scan_at_once(bot, 5)

    assert len(bot.runs()) == 1
    assert len(bot.outbox()) == 3


def test_the_same_label_added_again_is_another_request(bot: Bot) -> None:
    bot.add_label(a_label(300, label="forgehand:nobody"))  # no agent has that name, so the label stays on
    bot.scan()
    bot.forge.found = [a_label(200, label="forgehand:nobody")]
    bot.scan()

    assert [kind for kind, _ in bot.outbox()].count("reply") == 2


def test_a_label_younger_than_the_minimum_age_is_not_answered(bot: Bot) -> None:
    bot.add_label(a_label(60))

    bot.scan()
    assert bot.runs() == []

    bot.scan(age=30)
    assert len(bot.runs()) == 1


def test_a_label_on_a_thread_that_changed_afterwards_is_refused_once_and_not_removed(bot: Bot) -> None:
    bot.add_label(a_label(changed=3))

    bot.scan()
    bot.scan()

    ((kind, content),) = bot.outbox()
    assert kind == "reply"
    assert "this thread has changed since the label was added" in content
    assert bot.runs() == []


def test_adding_the_label_does_not_count_as_a_change_of_the_thread(bot: Bot) -> None:
    bot.add_label(a_label(changed=2))

    bot.scan()

    assert len(bot.runs()) == 1


def test_a_label_on_a_forks_change_is_refused(bot: Bot) -> None:
    bot.forge.heads[CHANGE.key] = a_change(same_repository=False)
    bot.add_label(a_label(thread=CHANGE))

    bot.scan()

    assert ["comes from a fork" in content for _, content in bot.outbox()] == [True]


def test_a_person_without_permission_is_refused_as_for_a_delivery(bot: Bot) -> None:
    bot.add_label(a_label(by=EVE))

    bot.scan()

    assert ["people who may write" in content for _, content in bot.outbox()] == [True]
    assert bot.runs() == []


@pytest.mark.parametrize("by", [Actor(id=1, login="forgehand"), Actor(id=9, login="renovate", bot=True)])
def test_a_label_that_a_bot_added_gets_no_answer(bot: Bot, by: Actor) -> None:
    bot.add_label(a_label(by=by))

    bot.scan()

    assert bot.outbox() == []


def test_a_label_that_was_just_removed_gets_no_answer(bot: Bot) -> None:
    bot.forge.found = [a_label()]

    bot.scan()

    assert bot.outbox() == []


def test_only_listed_repositories_with_an_earlier_command_are_scanned(bot: Bot) -> None:
    bot.add_label(a_label(thread=OTHER))
    bot.scan()
    assert bot.runs() == []

    bot.remember_threads(OTHER)
    bot.allow = ["acme/anvil"]
    bot.scan()
    assert bot.runs() == []

    bot.allow = ["acme/hammer"]
    bot.scan()
    assert [run.repository_url for run in bot.runs()] == [OTHER.repository_url]


def test_an_unavailable_forge_is_not_asked_for_its_other_repositories(bot: Bot) -> None:
    bot.remember_threads(OTHER)
    bot.forge.failing = ForgeUnavailable("GitHub limits the bot's requests.")

    bot.scan()

    assert len(bot.forge.searched) == 1


def test_after_a_deleted_repository_the_next_one_is_scanned(bot: Bot) -> None:
    bot.remember_threads(OTHER)
    bot.forge.failing = ForgeGone("GitHub answered 404.")

    bot.scan()

    assert len(bot.forge.searched) == 2


def test_a_stopping_process_scans_nothing(bot: Bot) -> None:
    bot.stopping.set()

    bot.scan()

    assert bot.forge.searched == []


def scan_at_once(bot: Bot, many: int) -> None:
    together = threading.Barrier(many)

    def look() -> None:
        together.wait()
        bot.scan()

    looking = [threading.Thread(target=look) for _ in range(many)]
    for one in looking:
        one.start()
    for one in looking:
        one.join()
