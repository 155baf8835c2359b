"""A budget for models: used up during a run, already used up before a run, then raised."""

import json
from collections.abc import Iterator

import pytest

from bot.domain.lifecycle import Phase, State
from bot.domain.outcomes import Outcome
from tests.journeys.world import World, shell
from tests.support.model_provider import ModelServer

ASK = """python3 - <<'END'
import json, os, urllib.request
words = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "hello"}]}
key = {"authorization": "Bearer " + os.environ["FORGEHAND_TOKEN"], "content-type": "application/json"}
url = os.environ["FORGEHAND_GATEWAY"] + "/anthropic/v1/messages"
urllib.request.urlopen(urllib.request.Request(url, json.dumps(words).encode(), key)).read()
END
"""


@pytest.fixture
def forge() -> str:
    """Use one forge: a budget has the same effect on both."""
    return "github"


@pytest.fixture
def models(embedded: World) -> Iterator[ModelServer]:
    with ModelServer.running() as models:
        embedded.settings["models"] = {"anthropic": {"url": models.url, "key": "the-operators-own"}}
        yield models


def test_a_used_up_budget_ends_a_run_and_prevents_others_until_it_is_raised(
    embedded: World, models: ModelServer
) -> None:
    embedded.settings["budget"] = {"per_day": {"requests": 2}}
    embedded.start()

    embedded.say(1, "/run " + shell(f"echo kept >notes.txt\n{ASK * 2}{ASK}sleep 60"))

    task, first = embedded.task_after_run(1)
    assert (first.outcome, task.state) == (Outcome.OVER_BUDGET, State.FAILED), first.reason
    final = embedded.final_comment(1, first)
    assert ": 240 tokens, cost unknown\n" in final
    assert "budget of all repositories is used up: 2 of 2 requests. The day ends at " in final

    embedded.say(1, "/resume")

    second_run_does_not_start(embedded)
    assert len(models.asked) == 2

    embedded.stop()
    embedded.settings["budget"] = {"per_day": {"requests": 3}}
    embedded.start()
    embedded.say(1, "/resume go on " + shell(f"{ASK}test -s notes.txt"))

    task, third = embedded.task_after_run(3)
    assert (third.outcome, task.state) == (Outcome.PUSHED, State.SUCCEEDED), third.reason
    assert embedded.git("show", f"origin/{task.branch}:notes.txt") == "kept"
    reported = json.loads(embedded.forgehand("costs", "--json", "--task", task.id))
    assert [row["requests"] for row in reported["rows"]] == [2, 0, 1]
    assert reported["today"][0]["requests"] == [3, 3]


def second_run_does_not_start(embedded: World) -> None:
    """Check that the second run does not start, and that the thread names the reason and the remedy."""
    _, second = embedded.task_after_run(2)
    assert (second.outcome, second.agent_started) == (Outcome.OVER_BUDGET, False), second.reason
    assert embedded.phases(second) == [Phase.PREPARE, Phase.REPORT]
    final = embedded.final_comment(1, second)
    assert "2 of 2 requests. The day ends at " in final
    assert "raised `per_day` in `[budget]`" in final
    assert "`/resume`" in final
