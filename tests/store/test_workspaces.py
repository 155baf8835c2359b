"""Workspaces: their host, their retention, and the claim before their removal."""

from bot.store import workspaces
from bot.store.ledger import Ledger, clock
from tests.support.at_once import at_once
from tests.support.rows import add_task


def test_a_task_without_a_workspace_has_no_row(ledger: Ledger) -> None:
    with ledger.write() as tx:
        task = add_task(tx)
        workspaces.retain(tx, task.id, 1.0)

        assert workspaces.get(tx, task.id) is None
        assert workspaces.present(tx, "h1") == []


def test_a_workspace_in_use_has_no_retention_time_and_cannot_be_removed(ledger: Ledger) -> None:
    with ledger.write() as tx:
        task = add_task(tx)
        workspaces.mark_in_use(tx, task.id, "h1")
        kept = workspaces.get(tx, task.id)

        assert kept is not None
        assert (kept.host, kept.keep_until, kept.removed_at) == ("h1", None, None)
        assert workspaces.past_retention(tx, "h1", 10) == []
        assert not workspaces.claim_removal(tx, task.id)


def test_workspaces_past_retention_are_found_on_their_host_in_the_order_of_expiry(ledger: Ledger) -> None:
    with ledger.write() as tx:
        now = clock(tx)
        made = {until: add_task(tx).id for until in (now - 1, now - 9, now + 60)}
        for until, task in made.items():
            workspaces.mark_in_use(tx, task, "h1")
            workspaces.retain(tx, task, until)

        assert workspaces.past_retention(tx, "h1", 10) == [made[now - 9], made[now - 1]]
        assert workspaces.past_retention(tx, "h1", 1) == [made[now - 9]]
        assert workspaces.past_retention(tx, "h2", 10) == []


def test_a_workspace_is_claimed_once_for_removal(ledger: Ledger) -> None:
    with ledger.write() as tx:
        task = add_task(tx)
        workspaces.mark_in_use(tx, task.id, "h1")
        workspaces.retain(tx, task.id, 1.0)

    got = at_once(ledger, 5, lambda tx, _: workspaces.claim_removal(tx, task.id))

    assert sum(got) == 1
    with ledger.read() as tx:
        assert workspaces.past_retention(tx, "h1", 10) == []
        assert workspaces.present(tx, "h1") == []


def test_a_workspace_that_waits_for_a_run_is_not_removed(ledger: Ledger) -> None:
    with ledger.write() as tx:
        task = add_task(tx)
        workspaces.mark_in_use(tx, task.id, "h1")
        workspaces.retain(tx, task.id, 1.0)
        workspaces.retain(tx, task.id, None)

        assert workspaces.past_retention(tx, "h1", 10) == []
        assert not workspaces.claim_removal(tx, task.id)


def test_a_workspace_that_moves_to_another_host_was_lost_on_the_first(ledger: Ledger) -> None:
    with ledger.write() as tx:
        task = add_task(tx)
        lost = []
        for host in ("h1", "h1", "h2", "h2"):
            workspaces.mark_in_use(tx, task.id, host)
            lost.append([kept.lost for kept in workspaces.present(tx, host)])
        workspaces.retain(tx, task.id, 1.0)
        workspaces.claim_removal(tx, task.id)
        workspaces.mark_in_use(tx, task.id, "h1")

        assert lost == [[False], [False], [True], [True]]
        assert [kept.lost for kept in workspaces.present(tx, "h1")] == [False]


def test_a_recreated_workspace_is_new(ledger: Ledger) -> None:
    with ledger.write() as tx:
        task = add_task(tx)
        workspaces.mark_in_use(tx, task.id, "h1")
        workspaces.retain(tx, task.id, 1.0)
        workspaces.claim_removal(tx, task.id)
        workspaces.mark_in_use(tx, task.id, "h2")

        assert workspaces.present(tx, "h1") == []
        (kept,) = workspaces.present(tx, "h2")
        assert (kept.task, kept.keep_until, kept.removed_at) == (task.id, None, None)
