"""One delivery gets one answer, under failures and concurrency too."""

import json
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import count
from threading import Barrier
from typing import Any

import pytest
from sqlalchemy import Table, func, select, update
from sqlalchemy.exc import (
    DataError,
    DBAPIError,
    InterfaceError,
    InternalError,
    OperationalError,
    StatementError,
)
from structlog.testing import capture_logs

from bot.commands.answer import Answer
from bot.commands.router import Router
from bot.domain.change import Repository
from bot.domain.command import Command, Need
from bot.domain.errors import ForgeError, ForgeGone, ForgeUnavailable, NotPossible
from bot.domain.event import Event
from bot.domain.nudges import Nudges
from bot.domain.task import Run
from bot.domain.thread import Part, PartKind
from bot.store import deliveries, runs, schema, tasks, threads
from bot.store.deliveries import Delivery
from bot.store.ledger import Ledger, clock
from bot.tasks.verbs import Tasks
from handlers import router as all_handlers
from tests.support.commander import CHANGE, DEFAULTS, HEAD, ISSUE, a_change, patch_url
from tests.support.fakes import FakeForge

ANN = {"id": 7, "login": "ann", "type": "User"}
EVE = {"id": 66, "login": "eve", "type": "User"}


@dataclass
class Bot:
    """The bot up to its outbox: deliveries go in, rows come out."""

    ledger: Ledger
    forge: FakeForge = field(default_factory=lambda: FakeForge(writers={"ann"}))
    router: Router = all_handlers
    allow: tuple[str, ...] = ("acme",)
    labels: Mapping[str, str] = field(default_factory=dict)
    nudged: list[str] = field(default_factory=list)
    numbers: "count[int]" = field(default_factory=lambda: count(1))

    def answer(self, delivery_id: str) -> None:
        nudges = Nudges(
            answer=lambda _forge, _id: None,
            work=lambda: self.nudged.append("work"),
            report=self.nudged.append,
        )
        Answer(
            ledger=self.ledger,
            forges={"github": self.forge},
            router=self.router,
            allow=self.allow,
            defaults=replace(DEFAULTS, labels=self.labels),
            nudges=nudges,
            patch_url=patch_url,
        )("github", delivery_id)

    def receive(self, event: str, body: bytes, *, forge: str = "github") -> str:
        """Record a delivery as the receiver does, and return its id."""
        delivery = Delivery(forge=forge, id=f"d{next(self.numbers)}", event=event, body=body)
        with self.ledger.write() as tx:
            deliveries.record(tx, [delivery])
        return delivery.id

    def comment(self, body: str, **facts: Any) -> str:
        """Receive and answer a new comment, and return its delivery's id."""
        delivery_id = self.receive("issue_comment", comment(next(self.numbers), body, **facts))
        self.answer(delivery_id)
        return delivery_id

    def outbox(self) -> list[tuple[str, str, str, Any]]:
        """Return (subject, kind, target, content) of every row, oldest first."""
        o = schema.outbox.c
        with self.ledger.read() as tx:
            rows = tx.execute(select(o.subject, o.kind, o.target, o.content).order_by(o.id)).all()
        return [(row.subject, row.kind, row.target, json.loads(row.content)) for row in rows]

    def replies(self) -> list[str]:
        return [content["text"] for _, kind, _, content in self.outbox() if kind == "reply"]

    def runs(self) -> list[Run]:
        with self.ledger.read() as tx:
            return [runs.value(row) for row in tx.execute(select(schema.runs))]

    def rows(self, *tables: Table) -> int:
        with self.ledger.read() as tx:
            return sum(tx.execute(select(func.count()).select_from(t)).scalar_one() for t in tables)

    def delivery(self, delivery_id: str) -> Any:
        d = schema.deliveries
        with self.ledger.read() as tx:
            return tx.execute(select(d).where(d.c.id == delivery_id)).one()

    def has_done_nothing(self) -> bool:
        """Return True if nothing was done, nothing will be posted and no process was nudged."""
        return not self.nudged and self.rows(schema.causes, schema.tasks, schema.runs, schema.outbox) == 0


@pytest.fixture
def bot(ledger: Ledger) -> Bot:
    return Bot(ledger)


def ago(seconds: float) -> str:
    return (datetime.now(UTC) - timedelta(seconds=seconds)).isoformat(timespec="seconds")


def comment(
    number: int,
    body: str,
    *,
    by: Any = ANN,
    action: str = "created",
    change: bool = False,
    at: str = "2026-11-23T07:18:23Z",
) -> bytes:
    payload = about(CHANGE.number if change else ISSUE.number, by, action)
    if change:
        payload["issue"]["pull_request"] = {}
    details = {"id": number, "body": body, "user": by, "created_at": at}
    return json.dumps({**payload, "comment": details}).encode()


def label(name: str, *, by: Any = ANN, at: str = "2026-11-23T07:18:23Z") -> bytes:
    payload = about(ISSUE.number, by, "labeled")
    payload["issue"]["updated_at"] = at
    return json.dumps({**payload, "label": {"name": name}}).encode()


def about(number: int, by: Any, action: str) -> dict[str, Any]:
    return {
        "action": action,
        "issue": {"number": number, "title": "Tidy the parser", "body": "It is untidy."},
        "repository": {
            "id": 1,
            "full_name": "acme/anvil",
            "html_url": "https://github.com/acme/anvil",
            "default_branch": "main",
        },
        "sender": by,
    }


def test_a_command_becomes_a_run_a_reaction_and_a_progress_comment(bot: Bot) -> None:
    delivery_id = bot.receive("issue_comment", comment(500, "/run tidy it"))

    bot.answer(delivery_id)

    (run,) = bot.runs()
    assert (run.request, run.cause, run.asked_by.login) == ("tidy it", "comment:500", "ann")
    assert run.context[0].text == "Tidy the parser\n\nIt is untidy."
    reaction, progress = bot.outbox()
    there = {"comment_id": 500, "discussion": "", "internal": False}
    assert reaction == ("comment:500", "reaction", "", {"spot": there})
    assert progress[:3] == (run.id, "progress", "")
    assert progress[3]["text"].startswith(f"Task `{run.task}` is next in the queue.")
    assert bot.nudged == [ISSUE.key, "work"]
    assert bot.delivery(delivery_id).answered_at is not None


@pytest.mark.parametrize("needs", [(), (Need.CHANGE_HEAD,), (Need.THREAD,), tuple(Need)], ids=str)
def test_a_handler_gets_only_the_data_that_its_command_declares(bot: Bot, needs: tuple[Need, ...]) -> None:
    commands: list[Command] = []

    def look(command: Command, tasks: Tasks) -> str:
        commands.append(command)
        return "Seen."

    bot.router = Router()
    bot.router.command("look", usage="/look", help="looks", needs=needs)(look)
    bot.forge.heads[CHANGE.key] = a_change()
    bot.forge.said = [Part(kind=PartKind.COMMENT, text="It fails.", author="ben")]

    bot.comment("/look", change=True)

    [command] = commands
    assert (command.change is not None) == (Need.CHANGE_HEAD in needs)
    assert ("It fails." in [part.text for part in command.context]) == (Need.THREAD in needs)


def test_a_command_on_a_change_sets_a_pending_status_on_its_head(bot: Bot) -> None:
    bot.forge.heads[CHANGE.key] = a_change()

    bot.comment("/run tidy it", change=True)

    (run,) = bot.runs()
    status = next(row for row in bot.outbox() if row[1] == "status")
    assert status == (run.id, "status", HEAD, {"verdict": "pending", "description": "Queued."})


@pytest.mark.parametrize("seconds", [50, -7200])  # the forge's clock may be ahead of ours
def test_a_fresh_command_on_a_forks_change_pins_the_current_head(bot: Bot, seconds: int) -> None:
    bot.forge.heads[CHANGE.key] = a_change(same_repository=False)

    bot.comment("/run tidy it", change=True, at=ago(seconds))

    (run,) = bot.runs()
    with bot.ledger.read() as tx:
        task = tasks.get(tx, run.task)
    assert (task.fork, task.pinned) == (True, HEAD)


def test_a_command_on_a_forks_change_is_refused_after_a_minute(bot: Bot) -> None:
    bot.forge.heads[CHANGE.key] = a_change(same_repository=False)

    bot.comment("/run tidy it", change=True, at=ago(70))
    bot.comment("/status", change=True, at=ago(70))

    assert ["give the command again" in reply for reply in bot.replies()] == [True, False]
    assert bot.rows(schema.tasks, schema.runs) == 0
    bot.forge.heads[CHANGE.key] = a_change()
    bot.comment("/run tidy it", change=True, at=ago(70))
    assert len(bot.runs()) == 1


def test_a_command_on_a_forks_change_is_refused_after_waiting_for_the_forge(bot: Bot) -> None:
    bot.forge.heads[CHANGE.key] = a_change(same_repository=False)
    bot.forge.failing = ForgeUnavailable("GitHub answered 502.")
    delivery_id = bot.comment("/run tidy it", change=True, at=ago(70))

    bot.forge.failing = None
    bot.answer(delivery_id)

    assert ["give the command again" in reply for reply in bot.replies()] == [True]
    assert bot.rows(schema.tasks, schema.runs) == 0


def test_the_author_of_a_forks_change_needs_permission_like_anybody_else(bot: Bot) -> None:
    bot.forge.heads[CHANGE.key] = a_change(same_repository=False)

    bot.comment("/run tidy it", by=EVE, change=True, at=ago(0))

    assert ["people who may write" in reply for reply in bot.replies()] == [True]
    assert bot.rows(schema.tasks, schema.runs) == 0


def test_a_command_without_a_run_is_answered_in_a_comment(bot: Bot) -> None:
    bot.comment("/status")

    assert [row[1] for row in bot.outbox()] == ["reaction", "reply"]
    assert bot.replies() == ["There is no task on this thread. Start with `/run`."]


def test_a_person_without_permission_is_refused_once_on_each_thread(bot: Bot) -> None:
    bot.comment("/run tidy it", by=EVE)
    bot.comment("/run please", by=EVE)
    bot.comment("@forge-bot please?", by=EVE)
    assert len(bot.replies()) == 1

    bot.comment("/run", by={**EVE, "id": 67, "login": "mallory"})
    bot.comment("/run", by=EVE, change=True)

    assert len(bot.replies()) == 3
    assert {row[1] for row in bot.outbox()} == {"reply"}
    assert bot.rows(schema.tasks, schema.runs) == 0


@pytest.mark.parametrize(
    ("body", "facts"),
    [
        ("/run tidy", {"by": {"id": 1, "login": "forgehand", "type": "User"}}),
        ("/run tidy", {"by": {**ANN, "type": "Bot"}}),
        ("/run tidy\n<!-- forgehand:reply:comment:1 -->", {}),
        ("/run tidy", {"action": "edited"}),
        ("/run tidy", {"action": "deleted"}),
        ("```\n/run tidy\n```", {}),
        ("> /run tidy", {}),
        ("<!--\n/run tidy\n-->", {}),
        ("/shrug", {}),
        ("Nice work.", {}),
        ("```\n/run tidy\n```", {"by": EVE}),
    ],
)
def test_comments_that_are_not_a_persons_command_get_no_answer(
    bot: Bot, body: str, facts: dict[str, Any]
) -> None:
    delivery_id = bot.comment(body, **facts)

    assert bot.has_done_nothing()
    assert bot.delivery(delivery_id).answered_at is not None


@pytest.mark.parametrize("allow", [(), ("acm",), ("acme/other",)])
def test_a_repository_that_is_not_listed_gets_no_answer(bot: Bot, allow: tuple[str, ...]) -> None:
    bot.allow = allow

    bot.comment("/run tidy")
    bot.answer(bot.receive("issues", label("forgehand")))

    assert bot.has_done_nothing()


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("/run --agnet codex tidy", "Did you mean `--agent`"),
        ("/forgehand rnu tidy", "Did you mean `/run`"),
        ("@forge-bot thanks!", "`/help` lists"),
        ("/resume", "Start with `/run`"),
        ("/cancel", "nothing to cancel"),
        ("/approve", "awaits approval"),
    ],
)
def test_the_reply_to_an_impossible_command_has_the_reason_and_nothing_changes(
    bot: Bot, body: str, expected: str
) -> None:
    bot.comment(body)

    assert [expected in reply for reply in bot.replies()] == [True]
    assert {row[1] for row in bot.outbox()} == {"reply"}
    assert bot.rows(schema.tasks, schema.runs) == 0


MISTYPED = [
    "/run --basee x",
    "/run --base",
    "/run --base ../x tidy",
    "/run --timeout soon",
    "/run --pr merge",
    "/resume --base main go on",
    "@forge-bot rnu tidy",
]


@pytest.mark.parametrize("body", MISTYPED)
def test_a_mistyped_command_is_refused_before_the_forge_is_asked(bot: Bot, body: str) -> None:
    bot.comment("/status")  # so the bot already has the address of the repository
    calls = bot.forge.calls

    bot.comment(body)

    assert bot.forge.calls == calls
    assert len(bot.replies()) == 2
    assert bot.rows(schema.tasks, schema.runs) == 0


def test_a_person_with_permission_gets_a_reply_to_every_mistyped_command(bot: Bot) -> None:
    bot.comment("/status")

    for body in MISTYPED:
        bot.comment(body)

    assert len(bot.replies()) == 1 + len(MISTYPED)


def test_a_second_mistyped_command_asks_the_forge_for_the_permission_only(bot: Bot) -> None:
    bot.forge.heads[CHANGE.key] = a_change()
    bot.comment("/run tidy", change=True)
    for_a_run = bot.forge.calls
    bot.comment("/run --basee x", change=True)
    before = bot.forge.calls

    bot.comment("/run --basee x", change=True)

    assert bot.forge.calls - before == for_a_run - 3  # no complete event, no history, no head


def test_a_person_without_permission_gets_one_reply_on_a_thread_for_all_mistyped_commands(bot: Bot) -> None:
    bot.comment("/status")
    for body in [*MISTYPED, "/run tidy", *MISTYPED]:
        bot.comment(body, by=EVE)
    assert len(bot.replies()) == 2

    bot.comment("/run tidy", by=EVE, change=True)
    bot.comment("/run --basee x", by=EVE, change=True)

    assert ["people who may write" in reply for reply in bot.replies()] == [False, False, True]


def test_a_mistyped_command_in_an_unknown_repository_asks_the_forge_first(bot: Bot) -> None:
    bot.forge.repositories[1] = repository_at("evil/mine")

    bot.comment("/run --basee x")

    assert bot.has_done_nothing()
    bot.forge.repositories[1] = repository_at("acme/hammer")
    bot.comment("/status")
    bot.comment("/run --basee x", by=EVE)
    assert ["people who may write" in reply for reply in bot.replies()] == [False, True]


def test_a_mistyped_command_of_the_bots_own_account_gets_no_answer(bot: Bot) -> None:
    bot.comment("/status")
    bot.forge.me = replace(bot.forge.me, id=8, login="Forge-Bot")

    bot.comment("/run --basee x", by={"id": 8, "login": "Forge-Bot", "type": "User"})

    assert len(bot.replies()) == 1


def test_a_removed_label_with_a_mistyped_text_gets_no_answer(bot: Bot) -> None:
    bot.comment("/status")
    before = bot.outbox()
    bot.labels = {"tidy": "--basee x tidy"}

    bot.answer(bot.receive("issues", label("tidy")))

    assert bot.outbox() == before


def test_the_writes_of_a_handler_that_refuses_are_rolled_back(bot: Bot) -> None:
    bot.router = router_of(open_a_task_and_raise(NotPossible("Not today.")))

    bot.comment("/run tidy")

    assert bot.replies() == ["Not today."]
    assert bot.rows(schema.tasks, schema.runs) == 0


def test_the_same_delivery_ten_times_at_once_is_one_run(bot: Bot) -> None:
    delivery_id = bot.receive("issue_comment", comment(500, "/run tidy"))

    at_once(bot.answer, [delivery_id] * 10)

    assert len(bot.runs()) == 1
    assert len(bot.outbox()) == 2


def test_the_same_comment_under_ten_delivery_ids_at_once_is_one_run(bot: Bot) -> None:
    body = comment(500, "/run tidy")

    at_once(bot.answer, [bot.receive("issue_comment", body) for _ in range(10)])

    assert len(bot.runs()) == 1
    assert len(bot.outbox()) == 2
    with bot.ledger.read() as tx:
        assert deliveries.count_unanswered(tx) == 0


def test_ten_comments_at_once_are_ten_runs(bot: Bot) -> None:
    at_once(bot.answer, [bot.receive("issue_comment", comment(n, f"/run {n}")) for n in range(1, 11)])

    assert sorted(run.request for run in bot.runs()) == sorted(str(n) for n in range(1, 11))


def test_ten_resumes_at_once_add_one_run(bot: Bot) -> None:
    bot.comment("/run tidy")
    (run,) = bot.runs()
    with bot.ledger.write() as tx:
        runs.ask_cancel(tx, run)
        tx.execute(update(schema.tasks).values(state="cancelled"))

    at_once(bot.answer, [bot.receive("issue_comment", comment(n, "/resume go on")) for n in range(900, 910)])

    assert [run.number for run in bot.runs()] == [1, 2]
    assert len(bot.replies()) == 9
    with bot.ledger.read() as tx:
        assert deliveries.count_unanswered(tx) == 0


def test_the_label_queues_a_run_and_is_removed(bot: Bot) -> None:
    bot.forge.labels[ISSUE.key] = {"forgehand"}

    bot.answer(bot.receive("issues", label("forgehand")))

    (run,) = bot.runs()
    cause = "label:issue/12:forgehand:2026-11-23T07:18:23Z"
    assert (run.request, run.cause) == ("Do what this thread asks", cause)
    thread = {"spot": {"comment_id": None, "discussion": "", "internal": False}}
    assert bot.outbox()[:2] == [
        (cause, "reaction", "", thread),
        (cause, "label", "forgehand", {"on": False}),
    ]


def test_a_label_that_was_removed_gets_no_answer(bot: Bot) -> None:
    bot.answer(bot.receive("issues", label("forgehand")))

    assert bot.has_done_nothing()


def test_the_longest_possible_label_fits_into_the_ledgers_keys(bot: Bot) -> None:
    name = "".join(chr(0x10000 + n * 37) for n in range(255))  # four bytes each, and not compressible
    bot.forge.labels[ISSUE.key] = {name}
    bot.labels = {name: "Tidy it."}

    delivery_id = bot.receive("issues", label(name))
    bot.answer(delivery_id)

    assert bot.delivery(delivery_id).error == ""
    assert [run.request for run in bot.runs()] == ["Tidy it."]
    assert ("label", name) in [(kind, target) for _, kind, target, _ in bot.outbox()]


def test_an_unknown_label_gets_no_answer(bot: Bot) -> None:
    bot.forge.labels[ISSUE.key] = {"bug"}

    bot.answer(bot.receive("issues", label("bug")))

    assert bot.has_done_nothing()


def test_a_label_added_without_permission_is_refused_and_not_removed(bot: Bot) -> None:
    bot.forge.labels[ISSUE.key] = {"forgehand"}

    bot.answer(bot.receive("issues", label("forgehand", by=EVE)))

    assert [row[:2] for row in bot.outbox()] == [("refusal:66", "reply")]
    assert bot.rows(schema.tasks, schema.runs) == 0


def test_an_unavailable_forge_is_asked_again_after_growing_pauses(bot: Bot) -> None:
    bot.forge.failing = ForgeUnavailable("GitHub answered 502.")
    delivery_id = bot.comment("/run tidy")

    pauses = [pause_of(bot, delivery_id)]
    for _ in range(7):
        bot.answer(delivery_id)
        pauses.append(pause_of(bot, delivery_id))
    assert bot.has_done_nothing()
    assert pauses == pytest.approx([5, 10, 20, 40, 80, 160, 300, 300], abs=4)

    bot.forge.failing = None
    bot.answer(delivery_id)
    assert len(bot.runs()) == 1


def test_a_forge_is_not_asked_again_before_the_time_that_it_gives(bot: Bot) -> None:
    bot.forge.failing = ForgeUnavailable("GitHub answered 429.", retry_after=77)

    assert pause_of(bot, bot.comment("/run tidy")) == pytest.approx(77, abs=4)


def test_after_an_hour_without_the_forge_the_command_is_refused(bot: Bot) -> None:
    bot.forge.failing = ForgeUnavailable("GitHub answered 502.")
    delivery_id = bot.comment("/run tidy")
    with bot.ledger.write() as tx:
        tx.execute(update(schema.deliveries).values(received_at=clock(tx) - 3601))

    bot.answer(delivery_id)

    assert ["nothing was done. Give the command again" in reply for reply in bot.replies()] == [True]
    assert bot.rows(schema.tasks, schema.runs) == 0
    assert bot.delivery(delivery_id).answered_at is not None


def test_a_definite_refusal_of_the_forge_is_in_the_reply(bot: Bot) -> None:
    bot.forge.failing = ForgeError("GitHub answered 403.")

    bot.comment("/run tidy")

    assert ["nothing was done. GitHub answered 403." in reply for reply in bot.replies()] == [True]
    assert bot.rows(schema.tasks, schema.runs) == 0


def test_a_command_on_a_deleted_thread_gets_no_answer(bot: Bot) -> None:
    bot.forge.failing = ForgeGone("GitHub answered 410.")

    delivery_id = bot.comment("/run tidy")

    assert bot.has_done_nothing()
    assert bot.delivery(delivery_id).answered_at is not None


@pytest.mark.parametrize("body", [b"{", b"[]", b"{}", b'{"action": "created"}', b"\xff"])
def test_an_unreadable_delivery_ends_with_the_reason(bot: Bot, body: bytes) -> None:
    delivery_id = bot.receive("issue_comment", body)

    bot.answer(delivery_id)

    assert bot.has_done_nothing()
    assert bot.delivery(delivery_id).answered_at is not None
    assert bot.delivery(delivery_id).error.startswith("unreadable: ")


def test_a_bug_is_tried_five_times_and_then_reported_with_an_incident_number(bot: Bot) -> None:
    bot.router = router_of(open_a_task_and_raise(ZeroDivisionError("secret detail")))
    with capture_logs() as logged:
        delivery_id = bot.comment("/run tidy")
        for _ in range(3):
            bot.answer(delivery_id)
        assert bot.has_done_nothing()

        bot.answer(delivery_id)

    (reply,) = bot.replies()
    number = bot.delivery(delivery_id).error.removeprefix("incident ")
    assert [line["incident"] for line in logged if line["event"] == "delivery answer failed"][4:] == [number]
    assert f"incident number `{number}`" in reply
    assert "secret" not in reply
    assert bot.delivery(delivery_id).answered_at is not None
    assert bot.rows(schema.tasks, schema.runs) == 0


def test_a_delivery_of_an_unknown_forge_ends_after_five_tries(bot: Bot) -> None:
    delivery_id = bot.receive("issue_comment", comment(1, "/run tidy"), forge="elsewhere")
    answer = Answer(
        ledger=bot.ledger,
        forges={},
        router=bot.router,
        allow=bot.allow,
        defaults=DEFAULTS,
        nudges=Nudges(answer=lambda _forge, _id: None, work=lambda: None, report=lambda _key: None),
        patch_url=patch_url,
    )

    with capture_logs():
        for _ in range(5):
            answer("elsewhere", delivery_id)

    assert bot.has_done_nothing()
    assert bot.delivery(delivery_id).answered_at is not None


HUGE = 2**63


@pytest.mark.parametrize("number", [0, -1, HUGE, 10**4000, 1.5, True, "12"])
@pytest.mark.parametrize("field", ["repository.id", "issue.number", "comment.id", "comment.user.id"])
def test_a_delivery_with_a_number_that_the_ledger_cannot_store_is_unreadable_at_once(
    bot: Bot, field: str, number: object
) -> None:
    payload = json.loads(comment(500, "/run tidy", by=dict(ANN)))
    *path, last = field.split(".")
    parent = payload
    for name in path:
        parent = parent[name]
    parent[last] = number
    delivery_id = bot.receive("issue_comment", json.dumps(payload).encode())

    bot.answer(delivery_id)

    assert bot.has_done_nothing()
    assert bot.delivery(delivery_id).answered_at is not None
    assert bot.delivery(delivery_id).error.startswith(f"unreadable: {field} is ")


# Errors of the ledger on values that it cannot store, and other errors that a delivery may cause.
BREAKING = [
    OverflowError("Python int too large to convert to SQLite INTEGER"),
    DataError("INSERT", {}, Exception("bigint out of range")),
    StatementError("INSERT", "INSERT", {}, Exception("no")),
    UnicodeEncodeError("utf-8", "\ud800", 0, 1, "surrogates not allowed"),
    RecursionError("maximum recursion depth exceeded"),
    MemoryError(),
    KeyError("x"),
]


@pytest.mark.parametrize("error", BREAKING, ids=lambda error: type(error).__name__)
def test_a_delivery_ends_after_five_tries_even_if_no_reply_can_be_written(bot: Bot, error: Exception) -> None:
    bot.router = router_of(open_a_task_and_raise(error))
    bot.forge = Unbounded(writers={"ann"})

    with capture_logs() as logged:
        delivery_id = bot.comment("/run tidy")
        for _ in range(4):
            assert bot.delivery(delivery_id).answered_at is None
            bot.answer(delivery_id)

    row = bot.delivery(delivery_id)
    assert row.answered_at is not None
    assert row.error.startswith("incident ")
    assert [line["event"] for line in logged if line["log_level"] == "error"] == [
        *["delivery answer failed"] * 5,
        "incident not reported to the thread",
    ]
    assert bot.has_done_nothing()
    with bot.ledger.read() as tx:
        assert deliveries.due(tx, 10) == []
        assert deliveries.count_unanswered(tx) == 0


@pytest.mark.parametrize("kind", [OperationalError, InterfaceError, InternalError])
def test_a_delivery_whose_error_looks_like_an_unavailable_ledger_ends_after_an_hour(
    bot: Bot, kind: type[DBAPIError]
) -> None:
    # PostgreSQL reports a key that is too long for an index with the class of its own failures.
    error = kind("INSERT", {}, Exception("index row size exceeds btree maximum"))
    bot.router = router_of(open_a_task_and_raise(error))
    with capture_logs():
        delivery_id = bot.comment("/run tidy")
        for _ in range(6):
            bot.answer(delivery_id)
        assert bot.delivery(delivery_id).answered_at is None
        with bot.ledger.write() as tx:
            tx.execute(update(schema.deliveries).values(received_at=clock(tx) - 3601))

        bot.answer(delivery_id)

    assert bot.delivery(delivery_id).answered_at is not None
    assert ["incident" in reply for reply in bot.replies()] == [True]


def test_a_delivery_after_thousands_of_tries_is_scheduled_again(bot: Bot) -> None:
    bot.forge.failing = ForgeUnavailable("GitHub answered 502.")
    delivery_id = bot.receive("issue_comment", comment(500, "/run tidy"))
    with bot.ledger.write() as tx:
        tx.execute(update(schema.deliveries).values(attempts=5_000))

    bot.answer(delivery_id)

    assert pause_of(bot, delivery_id) == pytest.approx(300, abs=4)


class Unbounded(FakeForge):
    """A forge whose thread has a number too large for any column, as a faulty adapter might give."""

    def events(self, event: str, body: bytes) -> list[Event]:
        return [
            replace(each, thread=replace(each.thread, number=HUGE)) for each in super().events(event, body)
        ]


# The repository's address


def repository_at(path: str, repository_id: int = 1) -> Repository:
    url = f"https://github.com/{path}"
    return Repository(id=repository_id, path=path, url=url, default_branch="main")


@pytest.mark.parametrize(
    "url", ["file:///srv/other", "https://evil.example.org/acme/anvil", "https://github.com/other/secret"]
)
def test_the_address_in_a_payload_is_never_used_for_a_run(bot: Bot, url: str) -> None:
    bot.comment("/run tidy it")
    payload = json.loads(comment(501, "/run tidy it again"))
    payload["repository"] |= {"html_url": url, "clone_url": url, "url": url}

    bot.answer(bot.receive("issue_comment", json.dumps(payload).encode()))

    assert [run.repository_url for run in bot.runs()] == [ISSUE.repository_url] * 2


@pytest.mark.parametrize("known", [True, False])
def test_the_repository_of_a_payload_is_found_by_its_id_and_not_by_its_name(bot: Bot, *, known: bool) -> None:
    bot.forge.repositories[1] = repository_at("acme/anvil")
    if known:
        bot.comment("/run tidy it")
    payload = json.loads(comment(501, "/run tidy it"))
    payload["repository"]["full_name"] = "acme/secret"

    bot.answer(bot.receive("issue_comment", json.dumps(payload).encode()))

    assert {run.repository_url for run in bot.runs()} == {"https://github.com/acme/anvil"}
    assert len(bot.runs()) == 1 + known
    with bot.ledger.read() as tx:
        assert threads.get(tx, ISSUE.key).path == "acme/anvil"


def test_a_listed_name_with_the_id_of_an_unlisted_repository_gets_no_answer(bot: Bot) -> None:
    bot.forge.repositories[1] = repository_at("evil/mine")

    delivery_id = bot.comment("/run tidy it")

    assert bot.has_done_nothing()
    assert bot.delivery(delivery_id).answered_at is not None
    assert bot.rows(schema.threads) == 0


def test_a_renamed_repository_is_used_under_its_new_name(bot: Bot) -> None:
    bot.comment("/run tidy it")
    bot.forge.repositories[1] = repository_at("acme/hammer")  # and another person created a new acme/anvil

    bot.comment("/run tidy it again")

    assert {run.repository_url for run in bot.runs()} == {"https://github.com/acme/hammer"}
    with bot.ledger.read() as tx:
        assert threads.get(tx, ISSUE.key).path == "acme/hammer"


@pytest.mark.parametrize("error", [ForgeUnavailable("GitHub answered 502."), ForgeError("GitHub said 403.")])
def test_the_address_of_a_repository_does_not_change_if_the_forge_does_not_give_one(
    bot: Bot, error: ForgeError
) -> None:
    bot.comment("/run tidy it")
    payload = json.loads(comment(501, "/run tidy it"))
    payload["repository"]["full_name"] = "acme/secret"
    delivery_id = bot.receive("issue_comment", json.dumps(payload).encode())
    with bot.ledger.write() as tx:
        tx.execute(update(schema.deliveries).values(received_at=clock(tx) - 3601))
    bot.forge.failing = error

    bot.answer(delivery_id)

    assert ["nothing was done" in reply for reply in bot.replies()] == [True]
    assert [run.repository_url for run in bot.runs()] == [ISSUE.repository_url]
    with bot.ledger.read() as tx:
        assert threads.get(tx, ISSUE.key).path == "acme/anvil"


@pytest.mark.parametrize("before", [ISSUE.repository_url, "file:///srv/other"])
def test_an_old_ledger_retains_its_keys_and_gets_the_address_of_the_forge(bot: Bot, before: str) -> None:
    bot.comment("/run tidy it")
    with bot.ledger.write() as tx:
        for table in (schema.threads, schema.runs):  # earlier versions took it from a delivery
            tx.execute(update(table).values(repository_url=before))

    bot.comment("/run tidy it again")

    assert {(run.thread_key, run.repository_url) for run in bot.runs()} == {(ISSUE.key, ISSUE.repository_url)}
    assert bot.rows(schema.threads) == 1


def test_a_command_without_permission_does_not_change_the_address_of_a_repository(bot: Bot) -> None:
    bot.comment("/run tidy it")
    payload = json.loads(comment(501, "/run tidy it", by=EVE))
    payload["repository"]["full_name"] = "acme/secret"

    bot.answer(bot.receive("issue_comment", json.dumps(payload).encode()))

    assert [run.repository_url for run in bot.runs()] == [ISSUE.repository_url]


def pause_of(bot: Bot, delivery_id: str) -> float:
    """Return the seconds until the delivery is due again."""
    with bot.ledger.read() as tx:
        return float(bot.delivery(delivery_id).due_at - clock(tx))


def at_once(call: Callable[[str], None], arguments: list[str]) -> None:
    """Call a function with each argument, in threads that start together; raise the first error."""
    together = Barrier(len(arguments))

    def one(argument: str) -> None:
        together.wait()
        call(argument)

    with ThreadPoolExecutor(len(arguments)) as pool:
        list(pool.map(one, arguments))


def router_of(handler: Callable[[Command, Tasks], str]) -> Router:
    router = Router()
    router.command("run", usage="/run", help="runs")(handler)
    return router


def open_a_task_and_raise(error: Exception) -> Callable[[Command, Tasks], str]:
    """Return a handler that opens a task and then fails."""

    def handler(command: Command, tasks: Tasks) -> str:
        tasks.open(command)
        raise error

    return handler


def test_comments_before_the_command_are_part_of_its_context(bot: Bot) -> None:
    bot.forge.said = [Part(kind=PartKind.COMMENT, text="It fails on `a|b`, too.", author="ben")]

    bot.comment("/run tidy it")

    (run,) = bot.runs()
    assert [part.text for part in run.context] == [
        "Tidy the parser\n\nIt is untidy.",
        "It fails on `a|b`, too.",
    ]
