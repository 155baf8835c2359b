"""`/run`, on issues and changes."""

from bot.domain.thread import Kind, Thread
from tests.support.commander import CHANGE, HEAD, Say, a_change


def test_the_reply_names_task_branch_queue_position_and_next_commands(say: Say) -> None:
    reply = say("/run tidy it")

    task = say.newest()[0]
    assert reply == (
        f"Task `{task.id}` is next in the queue. "
        f"Its branch will be `forgehand/12-tidy-the-parser-{task.id}`.\n\n"
        "`/status` shows where it is, `/cancel` stops it."
    )


def test_a_second_run_gets_its_queue_position(say: Say) -> None:
    say("/run one")

    assert "is number 2 in the queue" in say("/run two")


def test_the_reply_on_a_change_names_the_pinned_head(say: Say) -> None:
    reply = say("/run tidy it", thread=CHANGE, change=a_change())

    assert f"works on commit `{HEAD}`" in reply


def test_the_reply_to_the_option_here_names_the_branch_to_which_the_work_is_pushed(say: Say) -> None:
    reply = say("/run --here tidy it", thread=CHANGE, change=a_change())

    assert "is pushed to this change's own branch, `lexer`." in reply


def test_the_reply_quotes_neither_the_thread_nor_the_request(say: Say) -> None:
    title = "@acme/team closes #3 `x` <img src=y>"
    thread = Thread(
        forge="github",
        repository_id=1,
        repository_url="https://github.com/acme/anvil",
        path="acme/anvil",
        kind=Kind.ISSUE,
        number=13,
        title=title,
    )

    reply = say("/run ping @acme/team", thread=thread)

    assert not {"@", "#", "<"} & set(reply)
