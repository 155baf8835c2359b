"""Ignored comments: no run follows, and only a person without write access gets an answer."""

from tests.journeys.world import World

RUN = "/run tidy it"
ABOUT_IT = [
    f"Like this:\n\n```\n{RUN}\n```",
    f"    {RUN}",
    f"> {RUN}",
    f"<!--\n{RUN}\n-->",
    f"<!-- forgehand:final:abcdefgh-1 -->\n{RUN}",
]


def test_a_person_without_write_access_is_refused_once_on_each_thread(full: World) -> None:
    full.start()
    other = full.playground.open_issue("Another")

    comments = [full.say(thread, RUN, as_="reader") for thread in (1, 1, other)]

    full.wait_for_comment(other, "Only people who may write")
    all_are_handled_without_a_task(full, other)
    assert [body.count("Only people who may write") for body in full.bot_comments(1)] == [1]
    assert [body.count("Only people who may write") for body in full.bot_comments(other)] == [1, 0]
    assert [full.playground.reactions(comment) for comment in comments] == [[], [], []]


def test_bots_edited_comments_and_quoted_commands_get_no_answer(full: World) -> None:
    full.playground.set_permission("otherbot", "push")
    full.start()

    comments = [full.say(1, RUN, as_="bot"), full.say(1, RUN, as_="otherbot")]
    edited = full.say(1, "I wonder.")
    full.playground.edit(edited, RUN)
    comments += [edited, *(full.say(1, text) for text in ABOUT_IT)]

    all_are_handled_without_a_task(full, 1)
    said_by_the_bot = full.bot_comments(1)
    assert said_by_the_bot[0] == RUN  # the test posted the first one with the bot's account
    assert len(said_by_the_bot) == 2
    assert [full.playground.reactions(comment) for comment in comments] == [[]] * len(comments)


def all_are_handled_without_a_task(full: World, thread: int) -> None:
    """Check that all comments were handled: the reply to a later command reports that there is no task."""
    full.say(thread, "/status")
    full.wait_for_comment(thread, "There is no task on this thread")
    full.settled()
    assert full.tasks() == []
