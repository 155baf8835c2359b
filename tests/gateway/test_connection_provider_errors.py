"""A provider that refuses the key, limits the rate, is overloaded or cannot be reached."""

import json
import time

import pytest
from structlog.testing import capture_logs

from bot.domain.outcomes import Outcome
from bot.domain.usage import Refusal
from tests.gateway.provider import KEY, event, json_response, message_stream, stream_response
from tests.gateway.sandbox_client import Asker


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_key_ends_the_run_and_is_not_shown(asker: Asker, status: int) -> None:
    asker.provider.script.append(json_response({"error": "no"}, status))

    with asker.gateway.open(asker.run, asker.task) as access, capture_logs() as logged:
        answer = asker.ask()
        assert (answer.status, answer.body) == (status, b'{"error": "no"}')

    assert access.stop is not None
    assert access.stop.outcome is Outcome.AGENT_FAILED
    assert "[models.anthropic] key" in access.stop.reason
    assert KEY not in f"{access.stop} {logged}"


def test_a_rate_limit_is_passed_on_and_its_end_remembered_until_a_request_succeeds(asker: Asker) -> None:
    asker.provider.script += [
        json_response({}, 429, retry_after="120"),
        json_response({}, 529),
        json_response({}),
    ]

    with asker.gateway.open(asker.run, asker.task) as access:
        first = asker.ask()
        assert (first.status, first.headers["retry-after"]) == (429, "120")
        assert access.limited
        assert access.limited_until == pytest.approx(time.time() + 120, abs=10)
        assert asker.ask().status == 529
        assert asker.ask().status == 200
        assert (access.limited, access.limited_until, access.stop) == (False, None, None)
    asker.save(access)

    assert {each.reason for each in asker.refused()} == {
        "the provider answered 429",
        "the provider answered 529",
    }


def test_an_overload_that_a_stream_reports_is_counted(asker: Asker) -> None:
    overloaded = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
    asker.provider.script.append(
        stream_response([*message_stream(input_tokens=7, output_tokens=9)[:2], event(overloaded)])
    )

    with asker.gateway.open(asker.run, asker.task) as access:
        assert asker.ask().body.endswith(event(overloaded))
    asker.save(access)

    assert asker.refused() == [
        Refusal(target="anthropic", reason="the provider answered overloaded_error in a stream", count=1)
    ]


def test_a_provider_that_cannot_be_reached_is_reported(asker: Asker) -> None:
    asker.provider.server_close()

    with asker.gateway.open(asker.run, asker.task) as access:
        answer = asker.ask()

        assert answer.status == 502
        assert "anthropic cannot be reached" in json.loads(answer.body)["error"]["message"]
    assert access.stop is None


def test_a_key_that_a_provider_repeats_is_in_its_response_and_not_in_the_log(asker: Asker) -> None:
    # Responses pass unchanged: the promise is that the bot itself never shows the key.
    asker.provider.script.append(json_response({"error": f"bad key {KEY}"}, 400))

    with asker.gateway.open(asker.run, asker.task), capture_logs() as logged:
        answer = asker.ask()

        assert KEY.encode() in answer.body
    assert KEY not in f"{answer.headers} {logged}"
