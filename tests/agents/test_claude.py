"""Claude Code: how it is started, and what its recorded streams say: whole, cut, and among other words."""

import json
import tracemalloc
from dataclasses import replace

import pytest

from bot.agents.agent import AgentReport, OutputLine
from bot.agents.claude import Claude
from bot.domain.lifecycle import Outcome
from bot.gateway.endpoint import GatewayEndpoint
from tests.agents.starts import START
from tests.support.claude_stand_in import SESSION, recorded

CLAUDE = Claude(())


def heard(lines: list[bytes]) -> list[OutputLine]:
    parser = CLAUDE.output_parser()
    return [parser.parse(line) for line in lines]


def result_of(lines: list[bytes]) -> AgentReport:
    [result] = [each.report for each in heard(lines) if each.report]
    return result


def test_a_fresh_run_names_no_session_and_a_resumed_one_its_own() -> None:
    fresh = CLAUDE.argv(START)
    again = Claude(["npx", "claude"]).argv(replace(START, session=SESSION, model="opus"))

    assert fresh[4:6] == ["claude", "-p"]
    assert "--resume" not in fresh
    assert "--model" not in fresh
    assert again[4:7] == ["npx", "claude", "-p"]
    assert again[-4:] == ["--model", "opus", "--resume", SESSION]


def test_it_is_told_of_its_own_route_out_and_of_nothing_where_there_is_none() -> None:
    endpoint = GatewayEndpoint(
        url="http://127.0.0.1:8787", token="t0ken", providers=["anthropic"], packages=False
    )

    inside = CLAUDE.environment(START)
    routed = CLAUDE.environment(replace(START, endpoint=endpoint))

    assert not [name for name in inside if name.startswith("ANTHROPIC")]
    assert routed["ANTHROPIC_BASE_URL"] == "http://127.0.0.1:8787/anthropic"
    assert routed["ANTHROPIC_AUTH_TOKEN"] == "t0ken"
    assert routed["CLAUDE_CODE_MAX_RETRIES"] == "3"


def test_a_session_lies_in_its_home_and_only_an_id_of_its_own_names_one() -> None:
    assert CLAUDE.session_file(SESSION) == f".claude/projects/-workspace/{SESSION}.jsonl"
    assert CLAUDE.session_file("../../x") == ""


def test_a_good_run_tells_its_session_what_it_does_and_how_it_ended() -> None:
    lines = heard(recorded("good"))

    assert {each.session for each in lines if each.session} == {SESSION}
    assert [each.doing for each in lines if each.doing] == [
        "Bash ls -la && cat README.md",
        "Write parser.py",
        'Bash git add -A && git commit -qm "Add a parser"',
    ]
    assert [each.report for each in lines if each.report] == [
        AgentReport(outcome=None, text="I added a parser and committed it.", session_cost=0.0032)
    ]
    assert "\n".join(each.text for each in lines if each.text).splitlines()[:3] == [
        "Model claude-opus-5-5",
        "I will look first.",
        "> Bash ls -la && cat README.md",
    ]


def test_the_cost_of_a_resumed_run_is_that_of_the_whole_session() -> None:
    result = result_of(recorded("resumed"))

    assert result.text == "I went on."
    assert result.session_cost == pytest.approx(0.0038)


def test_a_result_while_it_runs_something_in_the_background_is_not_the_end_of_it() -> None:
    first, last = [each.report for each in heard(recorded("background")) if each.report]

    assert (first.text, first.waits) == ("I wait for it.", True)
    assert (last.text, last.waits, last.session_cost) == ("Now done.", False, 0.0032)


@pytest.mark.parametrize(
    ("stream", "outcome", "words"),
    [
        ("refused-key", Outcome.AGENT_FAILED, "did not accept the key of this bot (401)"),
        ("unknown-model", Outcome.AGENT_FAILED, "issue with the selected model (claude-opus-5-5)"),
        ("no-session", Outcome.AGENT_FAILED, "No conversation found with session ID"),
        ("limit", Outcome.RATE_LIMITED, "Request rejected (429)"),
        ("overloaded", Outcome.RATE_LIMITED, "529 Overloaded"),
    ],
)
def test_an_error_is_one_whatever_its_subtype_says(stream: str, outcome: Outcome, words: str) -> None:
    result = result_of(recorded(stream))

    assert result.outcome is outcome
    assert words in result.text
    assert result.limited_until is None


def test_what_the_gateway_refuses_is_not_said_of_the_provider() -> None:
    *before, last = recorded("refused-key")
    why = "refused: POST /v1/messages: 'x' is none of [models.anthropic] models"
    said = {"api_error_status": 403, "result": f"API Error: 403 Forgehand: {why}"}

    result = result_of([*before, json.dumps({**json.loads(last), **said}).encode()])

    assert (result.outcome, result.text) == (Outcome.AGENT_FAILED, f"The bot's gateway {why}")


def limit(status: str, resets_at: object = 1_795_000_000) -> bytes:
    """The event that a subscription's limit is told by: as the CLI's own types have it, not recorded."""
    info = {"status": status, "resetsAt": resets_at, "rateLimitType": "five_hour"}
    return json.dumps({"type": "rate_limit_event", "rate_limit_info": info, "session_id": SESSION}).encode()


def test_a_limit_that_was_told_of_ends_when_it_was_said_to() -> None:
    *before, last = recorded("limit")

    assert result_of([*before, limit("rejected"), last]).limited_until == 1_795_000_000.0


@pytest.mark.parametrize("status", ["allowed", "allowed_warning"])
def test_a_limit_that_has_passed_and_a_warning_are_none(status: str) -> None:
    *before, last = recorded("overloaded")

    assert result_of([*before, limit("rejected"), limit(status), last]).limited_until is None


@pytest.mark.parametrize("never", ["soon", 9e14, -1, True, None])
def test_a_limit_that_ends_at_no_time_there_is_has_no_known_end(never: object) -> None:
    assert result_of([limit("rejected", never), *recorded("limit")]).limited_until is None


def test_a_question_it_could_not_ask_is_asked_by_us() -> None:
    question = result_of(recorded("question")).question

    assert question == "Which parser shall I tidy?\n- JSON: the one for JSON\n- TOML: the one for TOML"


def test_a_question_it_was_not_let_ask_counts_though_it_went_on() -> None:
    *before, last = recorded("good")
    asked = {"tool_name": "AskUserQuestion", "tool_input": {"questions": [{"question": "Which one?"}]}}
    denied = json.dumps({**json.loads(last), "permission_denials": [asked]}).encode()

    assert result_of([*before, denied]).question == "Which one?"


def test_a_question_it_found_an_answer_to_is_none() -> None:
    init, asked, *_ = recorded("question")

    assert result_of([init, asked, *recorded("good")]).question == ""


@pytest.mark.parametrize(
    "line",
    [
        b"npm warn: \xff",
        b'{"type":"assist',
        b"{" * 100_000,
        b"[1]",
        b"null",
        b"",
        b'{"no":"type"}',
        b"\x00" * 9,
    ],
)
def test_a_line_that_is_none_of_its_own_is_shown_as_it_is(line: bytes) -> None:
    assert heard([line]) == [OutputLine(text=line.decode(errors="replace"))]


@pytest.mark.parametrize(
    "said",
    [
        {"type": "assistant", "message": 7},
        {"type": "assistant", "message": {"content": [7, {"type": "text", "text": 7}, {"type": "tool_use"}]}},
        {"type": "user", "message": {"content": [{"type": "tool_result", "content": [{"text": None}, 7]}]}},
        {"type": "system", "subtype": "init", "session_id": "../../etc/passwd"},
        {"type": "rate_limit_event", "rate_limit_info": 7},
        {"type": "system", "subtype": "background_tasks_changed", "tasks": 7},
        {"type": "result", "is_error": False, "total_cost_usd": "much", "permission_denials": 7},
        {"type": "result", "is_error": True, "total_cost_usd": -1, "api_error_status": [429]},
    ],
)
def test_an_event_of_another_shape_breaks_nothing_and_names_nothing(said: object) -> None:
    [told] = heard([json.dumps(said).encode()])

    assert told.session == ""
    assert told.report is None or told.report.session_cost is None


@pytest.mark.parametrize("piece", [b"[],", b"{},", b"1,", b'"",', b"[[]],"])
def test_a_line_of_more_values_than_there_is_memory_for_says_nothing(piece: bytes) -> None:
    line = b'{"type":"user","message":{"content":[' + piece * 1_000_000 + b"{}]}}"

    tracemalloc.start()
    [said] = heard([line])
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert said == OutputLine()
    assert peak < 1 << 20


def test_what_no_ledger_can_keep_is_left_out_of_its_words() -> None:
    command = {"type": "tool_use", "name": "Bash", "input": {"command": "cut \ud83d here\0"}}
    done = {"type": "result", "is_error": False, "result": "Done \udc00.\0"}
    failed = {"type": "result", "is_error": True, "errors": ["cut \ud83d"]}

    lines = heard(
        [
            json.dumps({"type": "assistant", "message": {"content": [command]}}).encode(),
            json.dumps(done).encode(),
            json.dumps(failed).encode(),
        ]
    )

    assert lines[0].doing == "Bash cut here"
    assert [each.report.text for each in lines if each.report] == ["Done .", "cut "]


def test_a_result_that_does_not_say_that_all_is_well_is_a_failure() -> None:
    assert result_of([b'{"type":"result","subtype":"success"}']).outcome is Outcome.AGENT_FAILED


def test_what_a_tool_answered_is_shortened_for_people() -> None:
    content = [{"type": "tool_result", "content": "x" * 100_000}]
    [told] = heard([json.dumps({"type": "user", "message": {"content": content}}).encode()])

    assert told.text is not None
    assert len(told.text) < 1_000
    assert told.text.endswith("(100,000 characters)")
