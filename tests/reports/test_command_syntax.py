"""References and commands have the form of each forge and of the operator's shell."""

from dataclasses import replace

import pytest

from bot.domain.lifecycle import State
from bot.domain.task import Task
from bot.domain.thread import Kind
from bot.reports.command_syntax import (
    change_reference,
    for_forge,
    next_command,
    reference,
    shell_command,
    with_shell_commands,
)
from tests.support.rows import a_thread

ISSUE = a_thread(12)
HEAD = "0123456789abcdef" * 2 + "01234567"


def _task(forge: str, change_number: int | None = None) -> Task:
    return Task(
        id="t1",
        thread=replace(ISSUE, forge=forge),
        thread_key=ISSUE.key,
        state=State.WAITING,
        agent="demo",
        change_form="draft",
        branch="forgehand/t1",
        checked_head=HEAD,
        change_number=change_number,
    )


@pytest.mark.parametrize(
    ("forge", "kind", "name"),
    [
        ("github", Kind.ISSUE, "#12"),
        ("github", Kind.CHANGE, "#12"),
        ("gitlab", Kind.ISSUE, "#12"),
        ("gitlab", Kind.CHANGE, "!12"),
    ],
)
def test_the_reference_of_a_thread_has_the_form_of_its_forge(forge: str, kind: Kind, name: str) -> None:
    assert reference(replace(ISSUE, forge=forge, kind=kind)) == name


def test_the_reference_of_a_change_of_the_bot_has_the_form_of_its_forge() -> None:
    assert change_reference(_task("github", 7)) == "#7"
    assert change_reference(_task("gitlab", 7)) == "!7"
    assert change_reference(_task("gitlab")) == ""


def test_a_command_that_gitlab_executes_itself_gets_the_prefix_of_the_bot() -> None:
    assert for_forge("/approve", "github") == "/approve"
    assert for_forge("/approve", "gitlab") == "/forgehand approve"
    assert for_forge("/resume and add tests", "gitlab") == "/resume and add tests"


def test_next_commands_name_the_task_if_it_is_older_and_the_commit_if_it_is_to_be_approved() -> None:
    assert next_command("/resume <your answer>", _task("github"), newest=True) == "/resume <your answer>"
    assert next_command("/resume", _task("github"), newest=False) == "/resume --task t1"
    assert next_command("/approve", _task("github"), newest=True) == "/approve 0123456789ab"
    assert next_command("/approve", _task("gitlab"), newest=False) == (
        "/forgehand approve --task t1 0123456789ab"
    )


@pytest.mark.parametrize("forge", ["github", "gitlab"])
def test_commands_in_a_sentence_become_shell_commands_on_every_forge(forge: str) -> None:
    approve = for_forge("/approve", forge)
    text = f"`{approve}` pushes it, `/resume <what to do instead>` makes the agent continue without a push."

    assert with_shell_commands(text, "t1") == (
        "`forgehand approve t1` pushes it, `forgehand resume t1 <what to do instead>` "
        "makes the agent continue without a push."
    )


def test_a_shell_command_has_the_task_first_and_the_text_as_one_argument() -> None:
    assert shell_command("/resume <your answer>", "t1") == 'forgehand resume t1 "<your answer>"'
    assert shell_command("/approve", "t1") == "forgehand approve t1"
