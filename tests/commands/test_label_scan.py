"""Labels whose delivery was lost: found by looking, and answered once, as a delivery would have been."""

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
from bot.forges.parts import thread_part
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

    def look(self, *, age: float = 120.0) -> None:
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

    def know(self, *known: Thread) -> None:
        """Somebody gave a command there before."""
        with self.ledger.write() as tx:
            for thread in known:
                threads.remember(tx, thread.key, thread)

    def wear(self, event: Labelled) -> None:
        """The label is on, and whoever looks finds it."""
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
    bot.know(ISSUE)
    return bot


def put_on(
    ago: float = 600, *, thread: Thread = ISSUE, by: Actor = ANN, label: str = "forgehand", changed: float = 0
) -> Labelled:
    """A label that was put on so many seconds ago; the thread changed last so many seconds after that."""
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


def told(event: Labelled, *, later: float = 0) -> str:
    """The cause the label's own delivery would have."""
    return label_key(event.thread, event.label, event.at + timedelta(seconds=later))


def test_a_label_that_no_delivery_told_of_ends_in_the_same_run(bot: Bot) -> None:
    event = put_on()
    bot.wear(event)

    bot.look()

    (run,) = bot.runs()
    assert (run.request, run.cause, run.asked_by) == ("Do what this thread asks", event.cause, ANN)
    assert run.context[0].text == "Tidy the parser\n\nIt is untidy."
    assert [kind for kind, _ in bot.outbox()] == ["reaction", "label", "progress"]
    assert bot.nudged == [ISSUE.key, "work"]


def test_it_is_obeyed_once_however_long_it_stays_on(bot: Bot) -> None:
    bot.wear(put_on())

    for _ in range(3):
        bot.look()

    assert len(bot.runs()) == 1
    assert len(bot.outbox()) == 3


@pytest.mark.parametrize("later", [-1, 0, 1, 2])
def test_what_its_delivery_told_already_is_not_told_again(bot: Bot, later: float) -> None:
    event = put_on()
    bot.wear(event)
    with bot.ledger.write() as tx:
        causes.add(tx, "github", 1, told(event, later=later))

    bot.look()

    assert bot.runs() == []
    assert bot.nudged == []


@pytest.mark.parametrize("later", [-1, 0, 1, 2])
def test_a_delivery_that_comes_after_all_finds_its_cause_taken(bot: Bot, later: float) -> None:
    event = put_on()
    bot.wear(event)

    bot.look()

    with bot.ledger.write() as tx:
        assert not causes.add(tx, "github", 1, told(event, later=later))


def test_of_many_who_look_at_once_one_obeys(bot: Bot) -> None:
    bot.wear(put_on())

    at_once_looking(bot, 5)

    assert len(bot.runs()) == 1
    assert len(bot.outbox()) == 3


def test_the_same_label_put_on_again_is_another_request(bot: Bot) -> None:
    bot.wear(put_on(300, label="forgehand:nobody"))  # no agent of that name, and so it stays on
    bot.look()
    bot.forge.found = [put_on(200, label="forgehand:nobody")]
    bot.look()

    assert [kind for kind, _ in bot.outbox()].count("reply") == 2


def test_a_label_that_is_new_is_left_to_its_delivery(bot: Bot) -> None:
    bot.wear(put_on(60))

    bot.look()
    assert bot.runs() == []

    bot.look(age=30)
    assert len(bot.runs()) == 1


def test_where_the_thread_was_changed_since_it_is_refused_once_and_stays_on(bot: Bot) -> None:
    bot.wear(put_on(changed=3))

    bot.look()
    bot.look()

    ((kind, content),) = bot.outbox()
    assert kind == "reply"
    assert "this thread has changed since the label was added" in content
    assert bot.runs() == []


def test_that_it_was_put_on_is_no_change(bot: Bot) -> None:
    bot.wear(put_on(changed=2))

    bot.look()

    assert len(bot.runs()) == 1


def test_a_change_from_a_fork_has_to_be_asked_for_again(bot: Bot) -> None:
    bot.forge.heads[CHANGE.key] = a_change(same_repository=False)
    bot.wear(put_on(thread=CHANGE))

    bot.look()

    assert ["comes from a fork" in content for _, content in bot.outbox()] == [True]


def test_who_may_not_write_is_refused_as_ever(bot: Bot) -> None:
    bot.wear(put_on(by=EVE))

    bot.look()

    assert ["people who may write" in content for _, content in bot.outbox()] == [True]
    assert bot.runs() == []


@pytest.mark.parametrize("by", [Actor(id=1, login="forgehand"), Actor(id=9, login="renovate", bot=True)])
def test_what_a_bot_put_on_is_met_with_silence(bot: Bot, by: Actor) -> None:
    bot.wear(put_on(by=by))

    bot.look()

    assert bot.outbox() == []


def test_a_label_that_was_just_taken_off_asks_for_nothing(bot: Bot) -> None:
    bot.forge.found = [put_on()]

    bot.look()

    assert bot.outbox() == []


def test_only_repositories_that_are_listed_and_were_spoken_in_are_looked_at(bot: Bot) -> None:
    bot.wear(put_on(thread=OTHER))
    bot.look()
    assert bot.runs() == []

    bot.know(OTHER)
    bot.allow = ["acme/anvil"]
    bot.look()
    assert bot.runs() == []

    bot.allow = ["acme/hammer"]
    bot.look()
    assert [run.repository_url for run in bot.runs()] == [OTHER.repository_url]


def test_a_forge_that_is_away_is_not_asked_for_the_rest(bot: Bot) -> None:
    bot.know(OTHER)
    bot.forge.failing = ForgeUnavailable("GitHub asks the bot to slow down.")

    bot.look()

    assert len(bot.forge.looked) == 1


def test_a_repository_that_is_gone_keeps_nobody_from_the_next(bot: Bot) -> None:
    bot.know(OTHER)
    bot.forge.failing = ForgeGone("GitHub answered 404.")

    bot.look()

    assert len(bot.forge.looked) == 2


def test_who_stops_looks_no_further(bot: Bot) -> None:
    bot.stopping.set()

    bot.look()

    assert bot.forge.looked == []


def at_once_looking(bot: Bot, many: int) -> None:
    together = threading.Barrier(many)

    def look() -> None:
        together.wait()
        bot.look()

    looking = [threading.Thread(target=look) for _ in range(many)]
    for one in looking:
        one.start()
    for one in looking:
        one.join()
