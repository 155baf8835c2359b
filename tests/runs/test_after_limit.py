"""If a provider's limit ends a run, one more run follows by itself, if the agent is set up so."""

from dataclasses import replace

import pytest

from bot.agents.command_line import CommandLineAgent
from bot.domain.lifecycle import State
from bot.domain.outcomes import Outcome
from bot.domain.task import Run
from bot.store import claims, leases, runs
from bot.store.ledger import Ledger, clock
from bot.tasks.operator import cancel_from_cli, resume_from_cli
from tests.runs.phases.test_finish import Ending
from tests.support.commander import ISSUE
from tests.support.rows import a_worker, add_run, add_task, nobody_is_dead


@pytest.fixture
def on_issue(sqlite_ledger: Ledger) -> Ending:
    ending = Ending(sqlite_ledger, ISSUE)
    agents = {"demo": CommandLineAgent(["true"], resumes_after_limit=True)}
    ending.runtime = replace(ending.runtime, agents=agents)
    return ending


def _limited(ending: Ending, seconds: float = 3600.0) -> Run:
    """End a run at a limit that lasts this many seconds longer."""
    leased = ending.begun()
    with ending.ledger.write() as tx:
        leases.write(tx, leased.lease, limited_until=clock(tx) + seconds)
    return ending.ended(leased, Outcome.RATE_LIMITED)


def _next(ending: Ending) -> Run:
    with ending.ledger.read() as tx:
        return runs.newest(tx, ending.task.id)


def _claim(ending: Ending) -> Run | None:
    with ending.ledger.write() as tx:
        waits = claims.has_claimable_run(tx, a_worker(), nobody_is_dead)
        claimed = claims.claim_next(tx, a_worker())
    assert waits == (claimed is not None)
    return claimed


def test_the_next_run_waits_for_the_end_of_the_limit_and_the_comment_has_the_time(on_issue: Ending) -> None:
    ended = _limited(on_issue)
    on_issue.send()

    following = _next(on_issue)
    assert (following.number, following.state, following.cause) == (2, State.QUEUED, f"auto:{ended.id}")
    assert (following.request, following.due_at) == (ended.request, ended.limited_until)
    assert _claim(on_issue) is None
    assert "It continues by itself when the limit has ended, at 20" in on_issue.final
    assert "`/cancel` stops that." in on_issue.final


def test_after_the_limit_the_next_run_is_claimed_like_any_other(on_issue: Ending) -> None:
    _limited(on_issue, seconds=-5.0)

    claimed = _claim(on_issue)

    assert claimed is not None
    assert claimed.id == _next(on_issue).id


def test_a_run_that_waits_for_the_end_of_a_limit_does_not_count_in_queue_positions(on_issue: Ending) -> None:
    _limited(on_issue)
    with on_issue.ledger.write() as tx:
        assert runs.queue_position(tx, add_run(tx, add_task(tx, replace(ISSUE, number=13)))) == 1


def test_a_second_limit_ends_the_task(on_issue: Ending) -> None:
    _limited(on_issue, seconds=-5.0)
    assert _claim(on_issue) is not None
    leased = on_issue.taken(_next(on_issue))
    with on_issue.ledger.write() as tx:
        leases.write(tx, leased.lease, limited_until=clock(tx) + 60)

    on_issue.ended(leased, Outcome.RATE_LIMITED)

    assert (_next(on_issue).number, _next(on_issue).state) == (2, State.FAILED)


def test_the_run_that_follows_a_limited_run_of_the_operator_is_by_the_operator_too(on_issue: Ending) -> None:
    on_issue.end(Outcome.AGENT_FAILED)
    with on_issue.ledger.write() as tx:
        asked = resume_from_cli(tx, on_issue.task.id, "with less").run
    leased = on_issue.taken(_claim(on_issue))
    with on_issue.ledger.write() as tx:
        leases.write(tx, leased.lease, limited_until=clock(tx) - 5)
    on_issue.ended(leased, Outcome.RATE_LIMITED)

    following = on_issue.taken(_claim(on_issue))

    assert following.run.cause == f"auto:{asked.id}"
    assert following.by_operator  # no forge knows the operator, so no forge is queried before the push


def test_no_run_follows_if_the_agent_is_not_set_up_so_or_the_end_of_the_limit_is_unknown(
    on_issue: Ending,
) -> None:
    on_issue.end(Outcome.RATE_LIMITED)
    assert _next(on_issue).number == 1
    on_issue.again()
    on_issue.runtime = replace(on_issue.runtime, agents={"demo": CommandLineAgent(["true"])})

    _limited(on_issue)

    assert _next(on_issue).number == 2


def test_no_run_follows_a_limit_longer_than_any_provider_has(on_issue: Ending) -> None:
    _limited(on_issue, seconds=1e9)

    assert _next(on_issue).number == 1


def test_a_resume_before_the_end_of_the_limit_starts_at_once(on_issue: Ending) -> None:
    _limited(on_issue)
    with on_issue.ledger.write() as tx:
        queued = resume_from_cli(tx, on_issue.task.id, "with less")

    claimed = _claim(on_issue)

    assert claimed is not None
    assert (claimed.id, claimed.number, claimed.request) == (queued.run.id, 3, "with less")
    with on_issue.ledger.read() as tx:
        assert [run.state for run in runs.of_task(tx, on_issue.task.id)] == [
            State.FAILED,
            State.CANCELLED,
            State.RUNNING,
        ]


def test_a_cancel_before_the_end_of_the_limit_ends_the_task(on_issue: Ending) -> None:
    _limited(on_issue)

    with on_issue.ledger.write() as tx:
        task = cancel_from_cli(tx, on_issue.task.id)

    assert task.state is State.CANCELLED
    assert _claim(on_issue) is None
