"""What becomes of a command: a run, a reply or nothing."""

from typing import Any

import pytest

from bot.commands.router import Router
from bot.domain.command import Command, Need
from bot.domain.errors import NotPossible
from bot.domain.thread import Part, PartKind
from bot.store import schema
from bot.tasks.verbs import Tasks
from tests.commands.answering_bot import ANN, EVE, Bot, comment, label, open_a_task_and_raise, router_of
from tests.support.commander import CHANGE, HEAD, ISSUE, a_change


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


def test_the_writes_of_a_handler_that_refuses_are_rolled_back(bot: Bot) -> None:
    bot.router = router_of(open_a_task_and_raise(NotPossible("Not today.")))

    bot.comment("/run tidy")

    assert bot.replies() == ["Not today."]
    assert bot.rows(schema.tasks, schema.runs) == 0


def test_comments_before_the_command_are_part_of_its_context(bot: Bot) -> None:
    bot.forge.said = [Part(kind=PartKind.COMMENT, text="It fails on `a|b`, too.", author="ben")]

    bot.comment("/run tidy it")

    (run,) = bot.runs()
    assert [part.text for part in run.context] == [
        "Tidy the parser\n\nIt is untidy.",
        "It fails on `a|b`, too.",
    ]
