"""Claude Code over a restart of the bot: the interrupted request fails, and Claude Code repeats it."""

import signal

import pytest

from bot.domain.outcomes import Outcome
from tests.journeys.agents.talk import Talk
from tests.journeys.test_adoption import container_of
from tests.support.model_provider import Turn, Use, answering, runs
from tests.support.waiting import eventually

pytestmark = [pytest.mark.agents, pytest.mark.long]

WRITES = Turn(parts=[Use("Write", file_path="/workspace/hello.txt", content="hello\n")])
COMMITS = runs("git add hello.txt && git commit -qm 'Say hello'")


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_an_answer_interrupted_by_a_restart_is_requested_again(talk: Talk, how: signal.Signals) -> None:
    talk.models.script = [
        WRITES,
        answering("word " * 500, pause=0.3),
        COMMITS,
        answering("I wrote hello.txt."),
    ]
    talk.world.start()
    talk.world.say(1, "/run greet")
    run = talk.world.until_running()
    eventually(lambda: talk.counted(run).tokens.input == 200)  # the second answer has started
    container = container_of(run)

    talk.world.stop(how)
    talk.world.start()

    assert container_of(run) == container
    task, ended = talk.world.task_after_run(1, seconds=120)
    assert (ended.id, ended.outcome) == (run.id, Outcome.PUSHED), ended.reason
    assert len(talk.world.runs(task)) == 1
    assert talk.world.git("show", f"origin/{task.branch}:hello.txt") == "hello"
    assert "I wrote hello.txt." in talk.world.final_comment(1, ended)
    counted = talk.counted(run)
    assert counted.requests == len(talk.models.asked) == 4
    assert (counted.tokens.input, counted.tokens.output) == (400, 20 + 1 + 20 + 20)
    assert talk.refused(run) == []
