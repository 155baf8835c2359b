"""Claude Code: its command line, and its recorded streams: whole, cut, and mixed with other output."""

import json
import tracemalloc
from dataclasses import replace

import pytest

from bot.agents.agent import AgentReport, OutputLine
from bot.agents.claude import Claude
from bot.domain.outcomes import Outcome
from bot.gateway.endpoint import GatewayEndpoint
from tests.agents.starts import START
from tests.support.claude_stand_in import SESSION, recorded

CLAUDE = Claude(())


def parsed(lines: list[bytes]) -> list[OutputLine]:
    parser = CLAUDE.output_parser()
    return [parser.parse(line) for line in lines]


def result_of(lines: list[bytes]) -> AgentReport:
    [result] = [each.report for each in parsed(lines) if each.report]
    return result


def test_only_the_command_line_of_a_resumed_run_has_its_session() -> None:
    fresh = CLAUDE.argv(START)
    again = Claude(["npx", "claude"]).argv(replace(START, session=SESSION, model="opus"))

    assert fresh[4:6] == ["claude", "-p"]
    assert "--resume" not in fresh
    assert "--model" not in fresh
    assert again[4:7] == ["npx", "claude", "-p"]
    assert again[-4:] == ["--model", "opus", "--resume", SESSION]


def test_the_environment_has_the_gateway_as_provider_only_if_there_is_a_gateway() -> None:
    endpoint = GatewayEndpoint(
        url="http://127.0.0.1:8787", token="t0ken", providers=["anthropic"], packages=False
    )

    inside = CLAUDE.environment(START)
    routed = CLAUDE.environment(replace(START, endpoint=endpoint))

    assert not [name for name in inside if name.startswith("ANTHROPIC")]
    assert routed["ANTHROPIC_BASE_URL"] == "http://127.0.0.1:8787/anthropic"
    assert routed["ANTHROPIC_AUTH_TOKEN"] == "t0ken"
    assert routed["CLAUDE_CODE_MAX_RETRIES"] == "3"


def test_the_file_of_a_session_is_named_after_its_uuid() -> None:
    assert CLAUDE.session_file(SESSION) == f".claude/projects/-workspace/{SESSION}.jsonl"
    assert CLAUDE.session_file("../../x") == ""


def test_the_stream_of_a_good_run_has_its_session_its_actions_and_its_result() -> None:
    lines = parsed(recorded("good"))

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


def test_the_result_of_a_resumed_run_has_the_cost_of_the_whole_session() -> None:
    result = result_of(recorded("resumed"))

    assert result.text == "I went on."
    assert result.session_cost == pytest.approx(0.0038)


def test_a_result_during_a_background_command_is_not_the_end() -> None:
    first, last = [each.report for each in parsed(recorded("background")) if each.report]

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
def test_an_error_is_recognized_with_any_subtype(stream: str, outcome: Outcome, words: str) -> None:
    result = result_of(recorded(stream))

    assert result.outcome is outcome
    assert words in result.text
    assert result.limited_until is None


def test_a_refusal_by_the_gateway_is_not_reported_as_a_refusal_by_the_provider() -> None:
    *before, last = recorded("refused-key")
    why = "refused: POST /v1/messages: 'x' is none of [models.anthropic] models"
    event = {"api_error_status": 403, "result": f"API Error: 403 Forgehand: {why}"}

    result = result_of([*before, json.dumps({**json.loads(last), **event}).encode()])

    assert (result.outcome, result.text) == (Outcome.AGENT_FAILED, f"The bot's gateway {why}")


def limit(status: str, resets_at: object = 1_795_000_000) -> bytes:
    """Return the event for a subscription's limit. It follows the CLI's own types; it was not recorded."""
    info = {"status": status, "resetsAt": resets_at, "rateLimitType": "five_hour"}
    return json.dumps({"type": "rate_limit_event", "rate_limit_info": info, "session_id": SESSION}).encode()


def test_a_reported_rate_limit_ends_at_the_reported_time() -> None:
    *before, last = recorded("limit")

    assert result_of([*before, limit("rejected"), last]).limited_until == 1_795_000_000.0


@pytest.mark.parametrize("status", ["allowed", "allowed_warning"])
def test_a_rate_limit_does_not_count_after_an_event_that_allows_requests(status: str) -> None:
    *before, last = recorded("overloaded")

    assert result_of([*before, limit("rejected"), limit(status), last]).limited_until is None


@pytest.mark.parametrize("never", ["soon", 9e14, -1, True, None])
def test_a_rate_limit_with_an_impossible_time_has_no_known_end(never: object) -> None:
    assert result_of([limit("rejected", never), *recorded("limit")]).limited_until is None


def test_a_question_that_the_agent_could_not_ask_is_reported() -> None:
    question = result_of(recorded("question")).question

    assert question == "Which parser shall I tidy?\n- JSON: the one for JSON\n- TOML: the one for TOML"


def test_a_denied_question_is_reported_even_if_the_agent_continued() -> None:
    *before, last = recorded("good")
    asked = {"tool_name": "AskUserQuestion", "tool_input": {"questions": [{"question": "Which one?"}]}}
    denied = json.dumps({**json.loads(last), "permission_denials": [asked]}).encode()

    assert result_of([*before, denied]).question == "Which one?"


def test_a_question_before_a_good_result_is_not_reported() -> None:
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
def test_a_line_that_is_not_an_event_is_shown_unchanged(line: bytes) -> None:
    assert parsed([line]) == [OutputLine(text=line.decode(errors="replace"))]


@pytest.mark.parametrize(
    "event",
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
def test_invalid_values_in_an_event_are_ignored(event: object) -> None:
    [line_read] = parsed([json.dumps(event).encode()])

    assert line_read.session == ""
    assert line_read.report is None or line_read.report.session_cost is None


@pytest.mark.parametrize("piece", [b"[],", b"{},", b"1,", b'"",', b"[[]],"])
def test_a_line_with_too_many_values_is_not_parsed(piece: bytes) -> None:
    line = b'{"type":"user","message":{"content":[' + piece * 1_000_000 + b"{}]}}"

    tracemalloc.start()
    [event] = parsed([line])
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert event == OutputLine()
    assert peak < 1 << 20


def test_characters_that_no_ledger_stores_are_removed() -> None:
    command = {"type": "tool_use", "name": "Bash", "input": {"command": "cut \ud83d here\0"}}
    done = {"type": "result", "is_error": False, "result": "Done \udc00.\0"}
    failed = {"type": "result", "is_error": True, "errors": ["cut \ud83d"]}

    lines = parsed(
        [
            json.dumps({"type": "assistant", "message": {"content": [command]}}).encode(),
            json.dumps(done).encode(),
            json.dumps(failed).encode(),
        ]
    )

    assert lines[0].doing == "Bash cut here"
    assert [each.report.text for each in lines if each.report] == ["Done .", "cut "]


def test_a_result_without_success_is_a_failure() -> None:
    assert result_of([b'{"type":"result","subtype":"success"}']).outcome is Outcome.AGENT_FAILED


def test_a_long_result_of_a_tool_is_cut_for_people() -> None:
    content = [{"type": "tool_result", "content": "x" * 100_000}]
    [line_read] = parsed([json.dumps({"type": "user", "message": {"content": content}}).encode()])

    assert line_read.text is not None
    assert len(line_read.text) < 1_000
    assert line_read.text.endswith("(100,000 characters)")
