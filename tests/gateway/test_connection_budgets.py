"""The budgets of a run and of a day, at the next request."""

import threading
from collections.abc import Callable

import pytest

from bot.domain.outcomes import Outcome
from bot.gateway.budget import Budget, RepositoryBudget, UsageLimit
from tests.gateway.provider import message_stream, stream_response
from tests.gateway.sandbox_client import Asker, until


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
