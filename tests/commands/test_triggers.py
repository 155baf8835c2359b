"""The commands of labels, assignments and comments."""

import re
from datetime import UTC, datetime

import pytest

from bot.commands.options import split_options
from bot.commands.parser import RawCommand
from bot.commands.triggers import REVIEW, Vocabulary, checked, raw_command, reply_target, stands
from bot.domain.command import WHOLE_THREAD
from bot.domain.errors import BadSettings
from bot.domain.event import Assigned, Commented, Labelled
from bot.domain.thread import Actor, ReplyTarget
from handlers import router
from tests.support.commander import ANN, CHANGE, ISSUE
from tests.support.fakes import FakeForge

WORDS = Vocabulary(
    bot_name="forge-bot", known={"run"}, labels={"Fix typos": "--agent codex Fix it.\n--all of it"}
)
NOW = datetime.now(UTC)
RUN = router.route("run").options


def labelled(label: str) -> Labelled:
    return Labelled(cause="label:1", thread=ISSUE, actor=ANN, at=NOW, context=(), label=label)


def assigned(to: int, *, review: bool = False) -> Assigned:
    return Assigned(
        cause="assigned:1", thread=CHANGE, actor=ANN, at=NOW, context=(), assignee_id=to, review=review
    )


def test_the_label_of_the_bot_is_a_run_command_for_the_whole_thread() -> None:
    wanted = RawCommand("run", WHOLE_THREAD)

    assert raw_command(labelled("forgehand"), WORDS) == raw_command(labelled("Forgehand"), WORDS) == wanted
    assert raw_command(labelled("bug"), WORDS) is None


@pytest.mark.parametrize("label", ["forgehand:codex", "forgehand: codex"])
def test_a_label_may_name_the_agent(label: str) -> None:
    raw = raw_command(labelled(label), WORDS)

    assert raw is not None
    options, text = split_options(raw.rest, {"agent"})
    assert (options.agent, text) == ("codex", WHOLE_THREAD)


def test_a_label_in_the_settings_is_a_command_with_the_text_of_the_settings() -> None:
    raw = raw_command(labelled("fix TYPOS"), WORDS)

    assert raw is not None
    options, text = split_options(raw.rest, {"agent"})
    assert (options.agent, text) == ("codex", "Fix it.\n--all of it")


@pytest.mark.parametrize(
    "text", ["Tidy it.", "--agent codex --model small-1 Tidy it.", "-- --all of it", "Tidy\n--all of it"]
)
def test_the_text_of_a_label_may_begin_with_options(text: str) -> None:
    assert checked({"tidy": text}, ["codex"], RUN) == {"tidy": text}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "--agnt codex Tidy it.",
            '"tidy": `--agnt` is not an option of this command. Did you mean `--agent`?',
        ),
        ("--agent other Tidy it.", '"tidy": there is no agent other. The known agents: codex.'),
        ("--timeout long Tidy it.", "`--timeout` must be a number with a unit"),
        ("--agent codex", '"tidy" has options only'),
    ],
)
def test_a_label_with_a_bad_text_is_an_error_in_the_settings(text: str, expected: str) -> None:
    with pytest.raises(BadSettings, match=re.escape(expected)):
        checked({"tidy": text}, ["codex"], RUN)


def test_a_requested_review_has_another_text_than_an_assignment() -> None:
    assert raw_command(assigned(1), WORDS) == RawCommand("run", WHOLE_THREAD)
    assert raw_command(assigned(1, review=True), WORDS) == RawCommand("run", REVIEW)


def test_a_label_is_valid_while_it_is_on_the_thread_and_an_assignment_if_it_is_to_the_bot() -> None:
    forge = FakeForge(me=Actor(id=1, login="forgehand"), labels={ISSUE.key: {"forgehand"}})

    assert stands(forge, labelled("forgehand"))
    assert not stands(forge, labelled("bug"))
    assert stands(forge, assigned(1))
    assert not stands(forge, assigned(2))


def test_a_comment_is_answered_in_its_discussion_and_a_label_on_the_thread() -> None:
    there = ReplyTarget(comment_id=3, discussion="9")
    comment = Commented(
        cause="review-comment:3",
        thread=CHANGE,
        actor=ANN,
        at=NOW,
        context=(),
        reply_target=there,
        body="/run it",
    )

    assert reply_target(comment) == there
    assert reply_target(labelled("forgehand")) == ReplyTarget()
    assert raw_command(comment, WORDS) == RawCommand("run", "it")
