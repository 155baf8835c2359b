"""User ids of workspaces: one run has each at a time, and workspaces share them only if there are too few."""

from dataclasses import replace

from sqlalchemy import Connection, update

from bot.domain.lifecycle import State
from bot.domain.task import Run
from bot.store import claims, schema, workspaces
from bot.store.ledger import Ledger
from tests.support.at_once import at_once
from tests.support.rows import a_worker, add_run, add_task

UIDS = range(20001, 20004)
WORKER = replace(a_worker(per_host=9, per_repository=9), uids=UIDS)


def begun(tx: Connection, uids: range = UIDS) -> tuple[Run, int | None]:
    """Claim the next run, and make its workspace."""
    run = claims.claim_next(tx, WORKER)
    assert run is not None
    return run, workspaces.mark_in_use(tx, run.task, WORKER.host, uids)


def end(tx: Connection, run: Run) -> None:
    tx.execute(update(schema.runs).where(schema.runs.c.id == run.id).values(state=State.SUCCEEDED))


def test_workspaces_get_different_ids_until_all_are_taken(ledger: Ledger) -> None:
    with ledger.write() as tx:
        tasks = [add_task(tx).id for _ in range(7)]
        taken = [workspaces.mark_in_use(tx, task, "h1", UIDS) for task in tasks]
        again = [workspaces.mark_in_use(tx, task, "h1", UIDS) for task in tasks]

    assert taken == again == [*UIDS, *UIDS, UIDS[0]]


def test_workspaces_made_at_once_get_different_ids(ledger: Ledger) -> None:
    with ledger.write() as tx:
        tasks = [add_task(tx).id for _ in UIDS]

    taken = at_once(ledger, 3, lambda tx, number: workspaces.mark_in_use(tx, tasks[number], "h1", UIDS))

    assert sorted(each or 0 for each in taken) == list(UIDS)


def test_a_new_workspace_does_not_get_the_id_of_a_running_run(ledger: Ledger) -> None:
    with ledger.write() as tx:
        add_run(tx)
        _, first = begun(tx)
        for _ in range(2):
            for _ in UIDS[1:]:  # the other ids have more workspaces
                workspaces.mark_in_use(tx, add_task(tx).id, "h1", UIDS[1:])
        add_run(tx)

        assert (first, begun(tx)[1]) == (UIDS[0], UIDS[1])


def test_a_run_waits_for_another_one_with_its_user_id(ledger: Ledger) -> None:
    with ledger.write() as tx:
        queued = [add_run(tx) for _ in range(2)]
        for run in queued:
            workspaces.mark_in_use(tx, run.task, "h1", UIDS[:1])
        add_run(tx)

        first, _ = begun(tx)
        third, other = begun(tx)
        assert claims.claim_next(tx, WORKER) is None
        assert not claims.has_claimable_run(tx, WORKER, lambda _: False)
        end(tx, first)
        second = claims.claim_next(tx, WORKER)

        assert second is not None
        assert {first.id, second.id} == {run.id for run in queued}
        assert third.id not in {run.id for run in queued}
        assert other != UIDS[0]


def test_a_workspace_from_before_has_the_first_id(ledger: Ledger) -> None:
    with ledger.write() as tx:
        old, new = add_run(tx), add_run(tx)
        assert workspaces.mark_in_use(tx, old.task, "h1") is None
        assert workspaces.mark_in_use(tx, old.task, "h1", UIDS) is None
        assert workspaces.mark_in_use(tx, new.task, "h1", UIDS) == UIDS[1]
        workspaces.mark_in_use(tx, add_run(tx).task, "h1", UIDS[:1])

        assert [claims.claim_next(tx, WORKER) is not None for _ in range(3)] == [True, True, False]


def test_a_run_whose_workspace_was_removed_waits_for_nobody(ledger: Ledger) -> None:
    with ledger.write() as tx:
        queued = [add_run(tx) for _ in range(2)]
        for run in queued:
            workspaces.mark_in_use(tx, run.task, "h1", UIDS[:1])
        removed = update(schema.workspaces).where(schema.workspaces.c.task == queued[1].task)
        tx.execute(removed.values(removed_at=1.0))

        assert [claims.claim_next(tx, WORKER) is not None for _ in range(2)] == [True, True]


def test_with_one_id_for_all_no_run_waits_for_it(ledger: Ledger) -> None:
    with ledger.write() as tx:
        for _ in range(3):
            assert workspaces.mark_in_use(tx, add_run(tx).task, "h1") is None

        worker = replace(WORKER, uids=())
        assert all(claims.claim_next(tx, worker) is not None for _ in range(3))


def test_a_workspace_that_is_made_again_elsewhere_gets_a_new_id(ledger: Ledger) -> None:
    with ledger.write() as tx:
        task = add_task(tx).id
        workspaces.mark_in_use(tx, add_task(tx).id, "h2", UIDS)

        ids = [workspaces.mark_in_use(tx, task, host, UIDS) for host in ("h1", "h2", "h2")]

    assert ids == [UIDS[0], UIDS[1], UIDS[1]]


def test_runs_of_other_hosts_do_not_matter(ledger: Ledger) -> None:
    with ledger.write() as tx:
        add_run(tx)
        elsewhere = claims.claim_next(tx, replace(WORKER, host="h2"))
        assert elsewhere is not None
        workspaces.mark_in_use(tx, elsewhere.task, "h2", UIDS[:1])
        workspaces.mark_in_use(tx, add_run(tx).task, "h1", UIDS[:1])

        assert claims.claim_next(tx, WORKER) is not None
