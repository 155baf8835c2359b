"""Keys, models, limits, budgets and closed exits stop Claude Code. Only the model's text is scripted."""

import time

import pytest

from bot.domain.lifecycle import State
from bot.domain.outcomes import Outcome
from bot.domain.usage import Known
from tests.journeys.agents.talk import KEY, Talk
from tests.support.model_provider import Fails, Turn, Use, answering, runs

pytestmark = [pytest.mark.agents, pytest.mark.long]

WRITES = Turn(parts=[Use("Write", file_path="/workspace/hello.txt", content="hello\n")])

LOOKS = r"""
env; ls -la /run/forgehand /home/agent /task; cat /proc/net/dev /proc/net/route; cat /proc/1/environ
ask() { curl -sS -m 5 -o /dev/null "$@" 2>&1; }
here=http://127.0.0.1:8787/anthropic/v1 token="$ANTHROPIC_AUTH_TOKEN"
ask https://example.com/
ask "$here/messages" -d '{"model": "claude-x"}' -w 'bare %{http_code}\n'
ask "$here/files" -H "authorization: Bearer $token" -w 'files %{http_code}\n'
ask https://evil.example/ -x "http://forgehand:$token@127.0.0.1:8787" -w 'proxy %{http_connect}\n'
true
"""


def test_a_refused_key_ends_the_run_at_once(talk: Talk) -> None:
    talk.models.otherwise = Fails(401, "authentication_error")
    talk.world.start()

    task, run = talk.after(1, "/run greet")

    assert (run.outcome, task.state) == (Outcome.AGENT_FAILED, State.FAILED), run.reason
    assert len(talk.models.asked) <= 2  # without the refusal, it would send four requests
    assert "key" in talk.world.final_comment(1, run)


@pytest.mark.parametrize("status", [429, 529])
def test_a_run_with_an_overloaded_provider_is_rate_limited_and_can_be_resumed(
    talk: Talk, status: int
) -> None:
    headers = {"retry-after": "3600"} if status == 429 else {}
    talk.models.otherwise = Fails(
        status, "rate_limit_error" if status == 429 else "overloaded_error", headers
    )
    talk.world.start()

    _task, run = talk.after(1, "/run greet")

    assert run.outcome is Outcome.RATE_LIMITED, run.reason
    assert run.limited_until is None or abs(run.limited_until - time.time() - 3600) < 120
    assert (run.limited_until is not None) == (status == 429)
    talk.models.otherwise = answering("Nothing to do.")
    talk.models.script = [WRITES]
    _task, second = talk.after(2, "/resume now")
    assert second.outcome is Outcome.PUSHED, second.reason


def test_a_model_that_is_not_allowed_gets_no_requests(talk: Talk) -> None:
    talk.world.start()

    _task, run = talk.after(1, "/run --model other-1 greet")

    assert run.outcome is Outcome.AGENT_FAILED, run.reason
    assert talk.models.asked == []
    assert "'other-1' is none of [models.anthropic] models" in talk.world.final_comment(1, run)
    assert "other-1" in " ".join(each.reason for each in talk.refused(run))


def test_a_model_that_the_provider_does_not_know_is_named(talk: Talk) -> None:
    talk.models.otherwise = Fails(404, "not_found_error")
    talk.world.start()

    _task, run = talk.after(1, "/run --model claude-of-tomorrow greet")

    assert run.outcome is Outcome.AGENT_FAILED, run.reason
    assert {each.body["model"] for each in talk.models.asked} == {"claude-of-tomorrow"}
    assert "claude-of-tomorrow" in talk.world.final_comment(1, run)


def test_a_command_without_text_starts_a_run(talk: Talk) -> None:
    talk.models.script = [WRITES]
    talk.world.start()

    _task, run = talk.after(1, "/run")

    assert run.outcome is Outcome.PUSHED, run.reason


def test_a_used_up_budget_stops_a_run_and_a_larger_budget_lets_it_continue(talk: Talk) -> None:
    talk.world.settings["budget"] = {"per_run": {"requests": 2}}
    talk.models.script = [WRITES, runs("echo more >more.txt"), answering("Never said.")]
    talk.world.start()

    task, first = talk.after(1, "/run greet, zanzibar")

    assert (first.outcome, task.state) == (Outcome.OVER_BUDGET, State.FAILED), first.reason
    assert len(talk.models.asked) == talk.counted(first).requests == 2
    assert "2 requests" in talk.world.final_comment(1, first)
    talk.world.stop()
    talk.world.settings["budget"] = {"per_run": {"requests": 3}}
    talk.world.start()
    _task, second = talk.after(2, "/resume with more")
    assert (second.outcome, second.session) == (Outcome.PUSHED, first.session), second.reason
    # The stopped agent may still report its cost. Otherwise its next report includes the cost.
    spent = talk.spent(task)
    assert spent[-1].known is Known.AGENT
    assert sum(each.usd for each in spent) == pytest.approx(3 * 0.0008)
    assert "zanzibar" in talk.last.shown


def test_only_model_calls_leave_the_sandbox(talk: Talk) -> None:
    talk.models.script = [runs(LOOKS), WRITES, answering("I looked around.")]
    talk.world.start()

    _task, run = talk.after(1, "/run look around")

    assert run.outcome is Outcome.PUSHED, run.reason
    seen = talk.last.shown
    assert len(talk.models.asked) == talk.counted(run).requests == 3
    assert KEY not in seen
    assert talk.world.playground.token not in seen
    for words in ("bare 401", "files 403", "Could not resolve host: example.com"):
        assert words in seen
    assert "proxy 403" in seen
    targets = {each.target for each in talk.refused(run)}
    assert {"evil.example:443", "POST /anthropic/v1/messages", "GET /anthropic/v1/files"} <= targets
