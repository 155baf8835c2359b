"""The bot up to its outbox, and the deliveries that it answers."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any

from sqlalchemy import Table, func, select

from bot.commands.answer import Answer
from bot.commands.router import Router
from bot.domain.change import Repository
from bot.domain.command import Command
from bot.domain.nudges import Nudges
from bot.domain.task import Run
from bot.store import deliveries, runs, schema
from bot.store.deliveries import Delivery
from bot.store.ledger import Ledger, clock
from bot.tasks.verbs import Tasks
from handlers import router as all_handlers
from tests.support.commander import CHANGE, DEFAULTS, ISSUE, patch_url
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
            task_url=patch_url,
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

    def start_branches(self) -> list[str]:
        with self.ledger.read() as tx:
            return list(tx.execute(select(schema.tasks.c.base)).scalars())

    def rows(self, *tables: Table) -> int:
        with self.ledger.read() as tx:
            return sum(tx.execute(select(func.count()).select_from(t)).scalar_one() for t in tables)

    def delivery(self, delivery_id: str) -> Any:
        d = schema.deliveries
        with self.ledger.read() as tx:
            return tx.execute(select(d).where(d.c.id == delivery_id)).one()

    def now(self) -> float:
        """Return the time by the ledger's clock."""
        with self.ledger.read() as tx:
            return clock(tx)

    def has_done_nothing(self) -> bool:
        """Report whether nothing was done, nothing will be posted and no process was nudged."""
        return not self.nudged and self.rows(schema.causes, schema.tasks, schema.runs, schema.outbox) == 0


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


def repository_at(path: str, repository_id: int = 1) -> Repository:
    url = f"https://github.com/{path}"
    return Repository(id=repository_id, path=path, url=url, default_branch="main")


def pause_of(bot: Bot, delivery_id: str) -> float:
    """Return the seconds until the delivery is due again."""
    with bot.ledger.read() as tx:
        return float(bot.delivery(delivery_id).due_at - clock(tx))


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
