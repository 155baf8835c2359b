"""Tokens and costs are counted, of incomplete responses too."""

import threading
import time
from contextlib import ExitStack
from http.client import IncompleteRead

import pytest

from bot.domain.usage import Tokens
from tests.gateway.provider import Answer, json_response, message_stream, stream_response
from tests.gateway.sandbox_client import MESSAGE, MESSAGES, Asker, until


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
