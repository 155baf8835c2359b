"""The outcome of an agent depends on its report and on its container, never on only one of them."""

import shlex
import threading
from dataclasses import replace

import pytest

from bot.agents.agent import AgentReport
from bot.domain.outcomes import Outcome, RunVerdict
from bot.runs import agent_output
from bot.runs.agent_exit import decide, of_container
from bot.runs.execute import execute
from bot.runs.run_limits import RunLimits
from bot.runs.runtime import Runtime
from bot.sandbox.engine.containers import Condition
from tests.gateway.provider import json_response as answered
from tests.gateway.provider import running
from tests.gateway.sandbox_client import providers_at
from tests.support.claude_stand_in import SESSION, printing, recorded, stand_in
from tests.support.runtimes import with_gateway
from tests.support.worker_bench import FOREVER, Workshop, until

# Sends one request to the gateway, and continues after any answer.
ASKS = """
python3 - <<'END' || true
import os, urllib.request
url = os.environ["FORGEHAND_GATEWAY"] + "/anthropic/v1/messages"
key = {"x-api-key": os.environ["FORGEHAND_TOKEN"]}
urllib.request.urlopen(urllib.request.Request(url, b'{"model": "sonnet"}', key)).read()
END
"""
GOOD, SUCCESS = recorded("good"), AgentReport(outcome=None, text="done")
WAITING = replace(SUCCESS, waits=True)
WAITS, GOES_ON = recorded("background")[:7], recorded("background")[7:]  # each half ends with a result
WORK = "echo 1 > x"
WAITS_FOR_GO = "while test ! -e go; do sleep 0.05; done; rm go"
KILLED, STOPPED = 137, 143


def _with(shop: Workshop, script: str, *, idle: int = 60) -> Runtime:
    """Return the runtime with this stand-in as its agent, and this idle limit in seconds."""
    limits = RunLimits(shop.runtime.limits.container, idle)
    return replace(shop.runtime, agents={"shell": stand_in(script)}, limits=limits)


def _verdict(status: int | None, outcome: Outcome | None = None) -> RunVerdict:
    return RunVerdict(outcome, "so the engine says" if outcome else "", exit_status=status)


@pytest.mark.parametrize(
    ("status", "out_of_memory", "watched", "outcome"),
    [
        (0, False, False, None),
        (1, False, True, Outcome.AGENT_FAILED),
        (KILLED, True, True, Outcome.OUT_OF_MEMORY),
        (KILLED, False, True, Outcome.LOST),
        (STOPPED, False, True, Outcome.LOST),
        (255, False, True, Outcome.AGENT_FAILED),  # reported by the agent itself
        (255, False, False, Outcome.LOST),  # may be the engine's status
        (None, False, True, Outcome.LOST),
    ],
)
def test_the_state_of_a_container_determines_the_verdict(
    *, status: int | None, out_of_memory: bool, watched: bool, outcome: Outcome | None
) -> None:
    condition = Condition(running=False, exit_status=status, out_of_memory=out_of_memory)

    ended = of_container(condition, memory="2g", watched=watched)

    assert (ended.outcome, ended.exit_status) == (outcome, status)
    assert ("more than its 2g of memory" in ended.reason) is (status == KILLED)


@pytest.mark.parametrize(
    ("verdict", "report", "outcome"),
    [
        (_verdict(0), SUCCESS, None),
        (_verdict(None), SUCCESS, None),  # it did not end, and the worker stopped it
        (_verdict(STOPPED, Outcome.AGENT_FAILED), SUCCESS, None),  # stopped by a worker that died after that
        (_verdict(KILLED, Outcome.LOST), SUCCESS, None),
        (_verdict(KILLED, Outcome.OUT_OF_MEMORY), SUCCESS, Outcome.OUT_OF_MEMORY),
        (_verdict(1, Outcome.AGENT_FAILED), SUCCESS, Outcome.AGENT_FAILED),
        (_verdict(0), replace(SUCCESS, question="which?"), Outcome.QUESTION),
        (_verdict(0), AgentReport(outcome=Outcome.AGENT_FAILED), Outcome.AGENT_FAILED),
        (_verdict(1, Outcome.AGENT_FAILED), AgentReport(outcome=Outcome.RATE_LIMITED), Outcome.RATE_LIMITED),
        (_verdict(0), None, Outcome.AGENT_FAILED),
        (_verdict(3, Outcome.AGENT_FAILED), None, Outcome.AGENT_FAILED),
        (_verdict(None, Outcome.LOST), None, Outcome.LOST),
        (_verdict(None, Outcome.IDLE), None, Outcome.IDLE),
        (_verdict(None, Outcome.TIMED_OUT), SUCCESS, None),  # it hung after that
        (_verdict(None, Outcome.IDLE), replace(SUCCESS, question="which?"), Outcome.QUESTION),
        (_verdict(None, Outcome.TIMED_OUT), AgentReport(outcome=Outcome.RATE_LIMITED), Outcome.RATE_LIMITED),
        (_verdict(None, Outcome.TIMED_OUT), None, Outcome.TIMED_OUT),
        (_verdict(None, Outcome.OUTPUT_LIMIT), SUCCESS, Outcome.OUTPUT_LIMIT),
        (_verdict(None, Outcome.CANCELLED), SUCCESS, Outcome.CANCELLED),
        (_verdict(0), WAITING, None),
        (_verdict(None, Outcome.IDLE), WAITING, None),  # it may wait for a server that it started
        (_verdict(None, Outcome.TIMED_OUT), WAITING, Outcome.TIMED_OUT),
        (_verdict(KILLED, Outcome.LOST), WAITING, Outcome.LOST),
    ],
)
def test_the_verdict_depends_on_container_and_report(
    verdict: RunVerdict, report: AgentReport | None, outcome: Outcome | None
) -> None:
    assert decide(verdict, report, reports_end=True).outcome is outcome


def test_the_exit_status_decides_for_an_agent_without_reports() -> None:
    assert decide(_verdict(0), None, reports_end=False) == _verdict(0)


def test_the_reason_of_a_limit_names_its_end() -> None:
    limited = AgentReport(
        outcome=Outcome.RATE_LIMITED, text="Too many requests.", limited_until=1_795_000_000.0
    )

    assert decide(_verdict(1), limited, reports_end=True).reason == (
        "Too many requests. The limit ends at 2026-11-18 11:06 UTC."
    )


def test_an_agent_that_hangs_after_a_good_result_is_stopped_and_has_succeeded(
    shop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agent_output, "_GRACE", 1.0)
    run = shop.claimed()
    script = f"{WORK}; {printing(GOOD[:3])}; {WAITS_FOR_GO}; {printing(GOOD[3:])}; {FOREVER}"
    with shop.busy(_with(shop, script), run):
        until(lambda: shop.now(run).doing == "Bash ls -la && cat README.md")
        (shop.runtime.data.workspace(run.task) / "repo" / "go").touch()

    ended = shop.now(run)
    assert (ended.outcome, ended.reason, ended.exit_status) == (Outcome.PUSHED, "", None)
    assert (ended.session, ended.session_cost, ended.doing) == (SESSION, 0.0032, "")
    assert ended.summary == "I added a parser and committed it."


def test_an_agent_that_waits_for_its_background_command_has_not_ended(
    shop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = shop.claimed()
    monkeypatch.setattr(agent_output, "_GRACE", 0.5)
    repository = shop.runtime.data.workspace(run.task) / "repo"

    waits = f"sleep 2; touch over; {WAITS_FOR_GO}; rm over"
    with shop.busy(_with(shop, f"{printing(WAITS)}; {waits}; {WORK}; {printing(GOES_ON)}"), run):
        until((repository / "over").exists)
        monkeypatch.setattr(agent_output, "_GRACE", 60.0)  # it may take a while to exit after its result
        (repository / "go").touch()

    ended = shop.now(run)
    assert (ended.outcome, ended.summary, ended.exit_status) == (Outcome.PUSHED, "Now done.", 0)


@pytest.mark.long  # the idle limit and its verdict have their own tests
def test_an_idle_agent_that_waits_for_an_endless_command_has_succeeded(shop: Workshop) -> None:
    run = shop.claimed()

    script = f"{WORK}; {printing(WAITS)}; {FOREVER}"
    execute(_with(shop, script, idle=2), run, threading.Event())

    assert (shop.now(run).outcome, shop.now(run).summary) == (Outcome.PUSHED, "I wait for it.")


def test_a_result_that_was_printed_before_a_takeover_counts_for_the_next_worker(shop: Workshop) -> None:
    """A result from before the takeover still counts: the same bytes are read again."""
    run = shop.claimed()
    script = f"{WORK}; {printing(GOOD)}; {WAITS_FOR_GO}; exit 0"
    with shop.busy(_with(shop, script), run) as stopping:
        until(lambda: shop.now(run).session_cost is not None)
        stopping.set()

    again, runtime = shop.taken_over("next")
    (shop.runtime.data.workspace(run.task) / "repo" / "go").touch()
    execute(replace(runtime, agents={"shell": stand_in(script)}), again, threading.Event())

    assert (shop.now(run).outcome, shop.now(run).exit_status) == (Outcome.PUSHED, 0)


@pytest.mark.long  # the time limit and its verdict have their own tests
def test_an_agent_that_reaches_its_time_limit_after_its_result_has_succeeded(shop: Workshop) -> None:
    run = shop.claimed()
    runtime = _with(shop, f"{WORK}; {printing(GOOD)}; {FOREVER}")
    with shop.busy(runtime, run) as stopping:
        until(lambda: shop.now(run).session_cost is not None)
        stopping.set()
    shop.out_of_time(run)

    again, next_runtime = shop.taken_over("next")
    execute(replace(next_runtime, agents=runtime.agents), again, threading.Event())

    assert (shop.now(run).outcome, shop.now(run).reason) == (Outcome.PUSHED, "")


def test_a_reported_failure_counts_even_if_the_exit_status_is_0(shop: Workshop) -> None:
    run = shop.claimed()
    execute(_with(shop, f"{printing(recorded('refused-key'))}; exit 0"), run, threading.Event())

    failed = shop.now(run)
    assert (failed.outcome, failed.exit_status) == (Outcome.AGENT_FAILED, 0)
    assert failed.reason.startswith("The model's provider did not accept the key of this bot (401).")
    assert shop.branches() == []


@pytest.mark.long
def test_a_failing_exit_status_counts_even_if_the_reported_result_is_good(shop: Workshop) -> None:
    run = shop.claimed()
    execute(_with(shop, f"{WORK}; {printing(GOOD)}; exit 1"), run, threading.Event())

    doubtful = shop.now(run)
    assert doubtful.outcome is Outcome.AGENT_FAILED
    assert doubtful.reason == "It ended with exit status 1. It had said that it was done."
    assert shop.branches() == []


def test_a_huge_line_and_invalid_json_do_not_hide_the_result(shop: Workshop) -> None:
    huge = "head -c 20000000 /dev/zero | tr '\\0' x; echo"
    run = shop.claimed()

    execute(
        _with(shop, f"{WORK}; {printing(GOOD[:3])}; {huge}; echo '{{\"type\":'; {printing(GOOD[3:])}"),
        run,
        threading.Event(),
    )

    assert (shop.now(run).outcome, shop.now(run).session_cost) == (Outcome.PUSHED, 0.0032)


@pytest.mark.parametrize(
    ("answers", "status", "outcome"),
    [
        ([429], 1, Outcome.RATE_LIMITED),
        # it continued, and failed for another reason
        pytest.param([429, 200], 1, Outcome.AGENT_FAILED, marks=pytest.mark.long),
        pytest.param([429], 0, Outcome.PUSHED, marks=pytest.mark.long),  # it succeeded without the model
    ],
)
def test_a_providers_limit_is_noticed_without_a_report_of_the_agent(
    shop: Workshop, answers: list[int], status: int, outcome: Outcome
) -> None:
    with running() as provider:
        provider.script += [answered({}, each, retry_after="120") for each in answers]
        script = f"{WORK}; {ASKS * len(answers)} exit {status}"
        run = shop.claimed()
        execute(with_gateway(shop.agent(script), providers=providers_at(provider)), run, threading.Event())

    ended = shop.now(run)
    assert ended.outcome is outcome, shop.printed(run).decode()
    limited = outcome is Outcome.RATE_LIMITED
    assert (ended.limited_until is not None) == limited
    assert ("The limit ends at " in ended.reason) == limited


@pytest.mark.long
def test_an_agent_that_stops_printing_before_its_result_is_idle(shop: Workshop) -> None:
    run = shop.claimed()

    execute(_with(shop, f"{printing(GOOD[:4])}; sleep 300", idle=2), run, threading.Event())

    assert (shop.now(run).outcome, shop.now(run).session) == (Outcome.IDLE, SESSION)


@pytest.mark.long
@pytest.mark.parametrize(
    ("script", "outcome", "reason"),
    [
        ("sleep 300", Outcome.IDLE, "It printed nothing for 2 s."),
        (f"printf %s {shlex.quote(GOOD[-1].decode()[:-40])}", Outcome.AGENT_FAILED, "ended without a result"),
        (printing(GOOD[:-1]), Outcome.AGENT_FAILED, "ended without a result"),
        (f"{printing(GOOD[:3])}; kill -9 $$", Outcome.LOST, "stopped from outside"),
        (printing(recorded("limit")) + "; exit 1", Outcome.RATE_LIMITED, "Request rejected (429)"),
        (printing(recorded("question")), Outcome.QUESTION, "Which parser shall I tidy?"),
    ],
)
def test_every_kind_of_end_has_its_own_reason(
    shop: Workshop, script: str, outcome: Outcome, reason: str
) -> None:
    run = shop.claimed()

    execute(_with(shop, script, idle=2), run, threading.Event())

    assert shop.now(run).outcome is outcome
    assert reason in shop.now(run).reason
