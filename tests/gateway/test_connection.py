"""A connection from a sandbox: sent on with the real key, answered byte for byte, counted."""

import json
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from http.client import IncompleteRead

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from bot.domain.outcomes import Outcome
from bot.domain.usage import Refusal, Tokens
from bot.gateway.budget import Budget, RepositoryBudget, UsageLimit
from tests.gateway.provider import KEY, Answer, event, json_response, message_stream, stream_response
from tests.gateway.sandbox_client import MESSAGE, MESSAGES, Asker, until


def test_a_request_arrives_with_the_real_key_and_only_permitted_headers(asker: Asker) -> None:
    asker.headers |= {
        "cookie": "a=b",
        "anthropic-version": "2023",
        "connection": "x-mine",
        "x-mine": "1",
        "x-goog-fieldmask": "candidates",
    }

    with asker.gateway.open(asker.run, asker.task):
        asker.ask("/anthropic/v1/messages?beta=true&alt=sse")

    (got,) = asker.provider.got
    assert got.path == "/v1/messages?beta=true&alt=sse"
    assert got.body == MESSAGE
    assert got.header("x-api-key") == KEY
    assert got.header("anthropic-version") == "2023"
    assert got.header("accept-encoding") == "identity"
    assert {"cookie", "x-mine", "authorization", "x-goog-fieldmask"}.isdisjoint(
        name for name, _ in got.headers
    )


@pytest.mark.parametrize(
    ("path", "body", "header", "value"),
    [
        ("/openai/v1/responses", MESSAGE, "authorization", f"Bearer {KEY}"),
        ("/gemini/v1beta/models/opus-4:generateContent", b"{}", "x-goog-api-key", KEY),
    ],
)
def test_each_provider_gets_its_key_in_its_own_header(
    asker: Asker, path: str, body: bytes, header: str, value: str
) -> None:
    with asker.gateway.open(asker.run, asker.task):
        assert asker.ask(path, body).status == 200

    assert asker.provider.got[0].header(header) == value


@pytest.mark.parametrize("header", ["x-api-key", "x-goog-api-key", "authorization"])
def test_the_token_is_accepted_in_each_header_that_agents_use(asker: Asker, header: str) -> None:
    token = asker.headers.pop("x-api-key")
    asker.headers[header] = f"Bearer {token}" if header == "authorization" else token

    with asker.gateway.open(asker.run, asker.task):
        assert asker.ask().status == 200

    assert all(token not in value for _, value in asker.provider.got[0].headers)


def test_a_request_without_the_token_of_its_run_is_refused_and_not_sent(
    asker: Asker, another_asker: Callable[[], Asker]
) -> None:
    other = another_asker()
    asker.headers = other.headers

    with asker.gateway.open(asker.run, asker.task) as access, other.gateway.open(other.run, other.task):
        assert asker.ask().status == 401
        asker.headers = {}
        assert asker.ask().status == 401
        assert other.ask().status == 200
        asker.save(access)

    assert len(asker.provider.got) == 1
    assert [(each.target, each.count) for each in asker.refused()] == [("POST /anthropic/v1/messages", 2)]


@pytest.mark.parametrize(
    ("method", "target", "shown"),
    [
        ("GET", "/anthropic/v1/messages", "GET /anthropic/v1/messages"),
        ("POST", "/anthropic/v1/files", "POST /anthropic/v1/files"),
        ("POST", "/nowhere/v1/messages", "POST /nowhere/v1/messages"),
        ("POST", "/anthropic/v1/messages/../files", "POST /anthropic/v1/messages/../files"),
        ("POST", "/openai/v1/%2e%2e/files", "POST /openai/v1/%2e%2e/files"),
        ("POST", "/openai/v1//files", "POST /openai/v1//files"),
        ("POST", "/openai/v1/chat?key=mine", "POST /openai/v1/chat"),
        ("POST", "/openai/v1/chat?%24Key=mine", "POST /openai/v1/chat"),
        ("POST", "/openai/v1/chat?$fields=candidates", "POST /openai/v1/chat"),
        ("POST", "/openai/v1/chat?alt=sse&alt=proto", "POST /openai/v1/chat"),
        ("POST", "/", "POST /"),
    ],
)
def test_a_request_that_is_not_permitted_is_refused_and_counted(
    asker: Asker, method: str, target: str, shown: str
) -> None:
    with asker.gateway.open(asker.run, asker.task) as access, capture_logs() as logged:
        for _ in range(2):
            answer = asker.ask(target, method=method)
        total = access.counter.total()
        asker.save(access)

    assert answer.status == 403
    assert shown in json.loads(answer.body)["error"]["message"]
    assert (asker.provider.got, total.requests) == ([], 0)
    assert [(each.target, each.count) for each in asker.refused()] == [(shown, 2)]
    assert [each["target"] for each in logged] == [shown]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b'{"model": "haiku"}', 403),
        (b'{"Model": "haiku"}', 403),
        (b'{"model": "sonnet", "model": "opus-5"}', 400),  # ambiguous: each has its own price
        (b'{"model": "sonnet", "MODEL": "haiku"}', 400),
        (b'{"model": "sonnet", "model": "sonnet"}', 200),
        (b'{"model"/**/: "haiku", "model": "sonnet"}', 400),
        (b'{"model": "sonnet", \'model\': "haiku"}', 400),
        (b'{"model": "sonnet", model: "haiku"}', 400),
        (b'{"model": "opus-' + b"5" * 1000 + b'"}', 400),
        (b'{"\\u006dodel": "haiku"}', 403),
        (b"{}", 403),
        (b'{"model": ["sonnet"]}', 400),
        (b"", 400),
        (b"not json", 400),
        (b'{"messages": [{"model": "haiku"}], "model": "opus-5", "x": "\\"model\\": \\"haiku\\""}', 200),
        (b'\t{"a": [-1.5E+7, true, false, null, {}], "model"\r\n: "sonnet"}\n', 200),
    ],
)
def test_only_permitted_models_are_requested(asker: Asker, body: bytes, status: int) -> None:
    with asker.gateway.open(asker.run, asker.task):
        assert asker.ask(body=body).status == status

    assert len(asker.provider.got) == (status == 200)


def test_a_body_that_is_too_long_is_refused(asker: Asker) -> None:
    with asker.gateway.open(asker.run, asker.task):
        answer = asker.ask(body=b'{"model": "sonnet", "x": "' + b"x" * (65 << 20))

        assert answer.status == 413
    assert asker.provider.got == []


def test_a_connection_serves_many_requests_over_one_upstream_connection(asker: Asker) -> None:
    with asker.gateway.open(asker.run, asker.task), asker.connected() as connection:
        for number in range(3):
            asker.provider.script.append(
                stream_response(message_stream(input_tokens=number, output_tokens=1))
            )
            connection.request("POST", MESSAGES, body=MESSAGE, headers=asker.headers)
            assert connection.getresponse().read().endswith(b'{"type": "message_stop"}\n\n')

    assert len({got.peer for got in asker.provider.got}) == 1
    assert len(asker.provider.got) == 3


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    pieces=st.lists(st.binary(min_size=1, max_size=3000), max_size=8),
    kind=st.sampled_from(["text/event-stream", "x/y"]),
)
def test_a_stream_arrives_byte_for_byte(asker: Asker, pieces: list[bytes], kind: str) -> None:
    asker.provider.script.append(stream_response(pieces, kind=kind))

    with asker.gateway.open(asker.run, asker.task):
        answer = asker.ask()

        assert (answer.headers["content-type"], answer.body) == (kind, b"".join(pieces))


def test_each_piece_arrives_before_the_next_is_sent(asker: Asker) -> None:
    go = threading.Semaphore(0)
    asker.provider.script.append(stream_response([b"one", b"two", b"three"], go.acquire))

    with asker.gateway.open(asker.run, asker.task):
        go.release()
        with asker.asking() as answer:
            for piece in (b"one", b"two", b"three"):
                assert answer.read1() == piece
                go.release()
            assert answer.read() == b""


def test_an_incomplete_stream_arrives_incomplete_and_its_tokens_are_counted(asker: Asker) -> None:
    asker.provider.script.append(
        stream_response(message_stream(input_tokens=7, output_tokens=9)[:2], cut=True)
    )

    with asker.gateway.open(asker.run, asker.task) as access:
        with pytest.raises(IncompleteRead):
            asker.ask()
        until(lambda: access.counter.total().tokens.all)

    assert access.counter.total().tokens == Tokens(input=7, output=1)


def test_tokens_and_costs_are_counted(asker: Asker) -> None:
    asker.provider.script.append(stream_response(message_stream(input_tokens=1000, output_tokens=200)))

    with asker.gateway.open(asker.run, asker.task) as access:
        asker.ask()
        asker.ask(body=b'{"model": "opus-5"}')
    asker.save(access)

    opus, sonnet = asker.used()
    assert (opus.model, opus.requests, opus.cost) == ("opus-5", 1, None)
    assert (sonnet.requests, sonnet.tokens) == (1, Tokens(input=1000, output=200))
    assert sonnet.cost == pytest.approx(0.006)


@pytest.mark.parametrize(
    ("answer", "tokens"),
    [
        (
            json_response({"usage": {"input_tokens": 1000, "output_tokens": 200}}),
            Tokens(input=1000, output=200),
        ),
        (stream_response(message_stream(input_tokens=1000, output_tokens=200)), Tokens(input=1000, output=1)),
    ],
    ids=["whole", "stream"],
)
def test_a_response_is_counted_after_the_agent_has_hung_up(
    asker: Asker, answer: Answer, tokens: Tokens
) -> None:
    hung_up = threading.Event()
    asker.provider.script.append(lambda handler: answer(handler) if hung_up.wait(10) else None)

    with asker.gateway.open(asker.run, asker.task) as access:
        with asker.connected() as connection:
            connection.request("POST", MESSAGES, body=MESSAGE, headers=asker.headers)
            until(lambda: asker.provider.got)
        hung_up.set()
        until(lambda: access.counter.total().tokens.all)

    assert access.counter.total().tokens == tokens


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


@pytest.mark.parametrize(
    ("budget", "words"),
    [
        (Budget(per_run=UsageLimit(requests=1)), "budget of a run is used up"),
        (Budget(per_run=UsageLimit(tokens=1200)), "budget of a run is used up"),
        (Budget(per_day=UsageLimit(usd=0.006)), "Today's budget of all repositories"),
        (
            Budget(repositories={"acme/r1": RepositoryBudget(per_day=UsageLimit(requests=1))}),
            "Today's budget of acme/r1",
        ),
        (
            Budget(
                per_run=UsageLimit(),
                repositories={"acme/r1": RepositoryBudget(per_run=UsageLimit(requests=1))},
            ),
            "budget of a run",
        ),
    ],
)
def test_an_exhausted_budget_ends_the_run_before_the_next_request(
    asker: Asker, budget: Budget, words: str
) -> None:
    asker = asker.within(budget)
    asker.provider.script.append(stream_response(message_stream(input_tokens=1000, output_tokens=200)))

    with asker.gateway.open(asker.run, asker.task) as access:
        asker.ask()
        until(lambda: access.counter.total().tokens.all)
        assert access.stop is None
        assert asker.ask().status == 403

    assert access.stop is not None
    assert access.stop.outcome is Outcome.OVER_BUDGET
    assert words in access.stop.reason
    assert len(asker.provider.got) == 1


def test_requests_of_other_runs_today_count_for_the_budget_of_the_day(
    asker: Asker, another_asker: Callable[[], Asker]
) -> None:
    other = another_asker()
    with other.gateway.open(other.run, other.task) as access:
        other.ask()
        other.save(access)
    asker = asker.within(Budget(per_day=UsageLimit(requests=1)))

    with asker.gateway.open(asker.run, asker.task):
        assert asker.ask().status == 403


def test_concurrent_requests_do_not_exceed_the_budget(asker: Asker) -> None:
    asker = asker.within(Budget(per_run=UsageLimit(requests=3)))
    statuses: list[int] = []

    with asker.gateway.open(asker.run, asker.task):
        threads = [threading.Thread(target=lambda: statuses.append(asker.ask().status)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert sorted(statuses) == [200] * 3 + [403] * 5


def test_with_a_budget_in_dollars_a_model_without_a_price_is_refused(asker: Asker) -> None:
    asker = asker.within(Budget(per_run=UsageLimit(usd=5)))

    with asker.gateway.open(asker.run, asker.task) as access:
        assert asker.ask(body=b'{"model": "opus-5"}').status == 403
        assert asker.ask().status == 200

    assert access.stop is None


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


def test_a_request_that_is_not_http_is_refused(asker: Asker) -> None:
    with asker.gateway.open(asker.run, asker.task), asker.connected() as connection:
        connection.sock.sendall(b"\x16\x03\x01 hello\r\n\r\n")

        assert connection.sock.recv(100).startswith(b"HTTP/1.1 400")


def test_closing_an_access_cuts_open_responses_and_counts_their_tokens(asker: Asker) -> None:
    waits = threading.Event()
    first, *others = message_stream(input_tokens=5, output_tokens=5)
    sent = iter([True])  # then the provider waits
    asker.provider.script.append(stream_response([first, *others], lambda: next(sent, False) or waits.wait()))

    with ExitStack() as client:
        with asker.gateway.open(asker.run, asker.task) as access:
            answer = client.enter_context(asker.asking())
            answer.read1()
            began = time.monotonic()
        took = time.monotonic() - began
        waits.set()
        with pytest.raises(IncompleteRead):
            answer.read()

    assert took < 4
    assert access.counter.total().tokens == Tokens(input=5, output=1)


def test_the_ledger_has_totals_and_a_takeover_continues_them(asker: Asker) -> None:
    with asker.gateway.open(asker.run, asker.task) as access:
        asker.ask()
        for _ in range(2):
            asker.save(access)
    assert not access.counter.unsaved

    with asker.gateway.open(asker.run, asker.task) as access:
        asker.ask()
        assert access.counter.unsaved
        asker.save(access)

    assert [each.requests for each in asker.used()] == [2]
