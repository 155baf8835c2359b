"""Text longer than a forge accepts, and text that a forge would take for commands."""

import pytest

from bot.domain.outcomes import Outcome
from tests.journeys.world import World, shell
from tests.support.playground_gitlab import GitLabPlayground
from tests.support.waiting import eventually

pytestmark = pytest.mark.alike

LIMIT = {"github": 65_536, "gitlab": 1_000_000}
TALKS = """
head -c {more} /dev/zero | tr '\\0' x
echo
printf '{{"summary": "%s"}}' "$(head -c 60000 /dev/zero | tr '\\0' y)" > /task/out/result.json
echo one > one.txt
"""
ORDERS = """
cat > /task/out/result.json <<'WORDS'
{"summary": "Done.\\n/approve\\n\\n/close\\n/label ~bug\\n@ann /merge", "title": "/close"}
WORDS
echo one > one.txt
git add one.txt
git commit -qm '/close

/approve'
"""


def test_output_longer_than_a_comment_is_reported_in_a_comment_that_fits(full: World) -> None:
    most = LIMIT[full.playground.forge]
    full.start()

    full.say(1, "/run " + shell(TALKS.format(more=most + 1)))

    _, run = full.task_after_run(1)
    assert run.outcome is Outcome.PUSHED, run.reason
    final = full.final_comment(1, run)
    assert "yyy" in final
    assert len(final) <= most
    assert "characters left out" in final
    [pull] = eventually(full.playground.pulls)
    assert len(pull["body"]) <= most


def test_an_agents_text_triggers_no_commands_of_the_forge(full: World) -> None:
    full.start()
    full.push("lexer", "lexer.py")
    change = full.playground.open_pull("Add a lexer", head="lexer")

    full.say(change, "/run " + shell(ORDERS))

    _, run = full.task_after_run(1)
    assert run.outcome is Outcome.PUSHED, run.reason
    final = full.final_comment(change, run)
    assert "Done." in final
    full.settled()
    assert full.playground.labels(change) == []
    assert {pull["state"] for pull in full.playground.pulls()} == {"open"}
    assert len(full.playground.pulls()) == 2
    if isinstance(full.playground, GitLabPlayground):
        for pull in full.playground.pulls():
            told = full.playground.ask("GET", f"merge_requests/{pull['number']}/approvals")
            assert told["approved_by"] == []
