"""Attempts to remove a folder: the deaths of processes during them are counted, up to a limit."""

from sqlalchemy import Connection

from bot.store import removals, workspaces
from bot.store.ledger import Ledger, clock
from bot.store.removals import MOST_DEATHS, Key
from tests.support.at_once import at_once
from tests.support.rows import add_task, all_are_dead, nobody_is_dead

KEY = Key("h1", "t1", "h1/w1")


def _begin_and_die(tx: Connection, key: Key = KEY) -> list[str]:
    """Begin an attempt whose process dies; return the newly stuck folders."""
    assert removals.begin(tx, key, "t1")
    return [each.folder for each in removals.count_deaths(tx, key.host, all_are_dead)]


def _row(tx: Connection, key: Key = KEY) -> removals.Removal:
    return removals.of_host(tx, key.host)[key.folder]


def test_the_third_death_makes_a_folder_stuck_and_is_reported_once(ledger: Ledger) -> None:
    with ledger.write() as tx:
        assert [_begin_and_die(tx) for _ in range(MOST_DEATHS)] == [[], [], ["t1"]]

        assert not removals.begin(tx, KEY, "t1")
        assert removals.count_deaths(tx, "h1", all_are_dead) == []
        assert (_row(tx).is_stuck, removals.count_stuck(tx)) == (True, 1)
        assert [each.folder for each in removals.stuck_of_task(tx, "t1")] == ["t1"]
        assert removals.begin(tx, KEY, "t1", by_hand=True)


def test_a_death_is_counted_once_by_five_simultaneous_processes(ledger: Ledger) -> None:
    with ledger.write() as tx:
        removals.begin(tx, KEY, "t1")

    at_once(ledger, 5, lambda tx, _: removals.count_deaths(tx, "h1", all_are_dead))

    with ledger.read() as tx:
        assert _row(tx).deaths == 1


def test_neither_a_living_process_nor_one_of_another_host_counts_as_dead(ledger: Ledger) -> None:
    with ledger.write() as tx:
        removals.begin(tx, KEY, "t1")

        removals.count_deaths(tx, "h1", nobody_is_dead)
        removals.count_deaths(tx, "h2", all_are_dead)

        assert (_row(tx).deaths, _row(tx).holder) == (0, KEY.holder)


def test_only_a_completed_attempt_clears_the_count_of_deaths(ledger: Ledger) -> None:
    with ledger.write() as tx:
        _begin_and_die(tx)
        counts = []
        for end in (
            removals.interrupted,
            lambda tx, key: removals.overran(tx, key, 0.0),
            lambda tx, key: removals.postponed(tx, key, 0.0),
            lambda tx, _: removals.release_all(tx, "h1", KEY.holder),
            lambda tx, key: removals.failed(tx, key, 0.0),
        ):
            removals.begin(tx, KEY, "t1")
            end(tx, KEY)
            assert _row(tx).holder == ""
            counts.append(_row(tx).deaths)
        assert counts == [1, 1, 1, 1, 0]

        removals.begin(tx, KEY, "t1")
        removals.succeeded(tx, KEY)
        assert removals.of_host(tx, "h1") == {}


def test_an_end_after_a_takeover_by_another_process_changes_nothing(ledger: Ledger) -> None:
    other = Key("h1", "t1", "h1/w2")
    with ledger.write() as tx:
        removals.begin(tx, KEY, "t1")
        removals.begin(tx, other, "t1")
        before = _row(tx)

        removals.succeeded(tx, KEY)
        removals.failed(tx, KEY, 9.0)
        removals.overran(tx, KEY, 9.0)
        removals.forget(tx, "h1", "t1")

        assert _row(tx) == before


def test_a_new_run_in_the_workspace_resets_only_the_count_of_its_host(ledger: Ledger) -> None:
    with ledger.write() as tx:
        task = add_task(tx).id
        keys = [Key(host, task, f"{host}/w1") for host in ("h1", "h2")]
        for key in keys * MOST_DEATHS:
            _begin_and_die(tx, key)

        workspaces.mark_in_use(tx, task, "h1")

        assert [_row(tx, key).deaths for key in keys] == [0, MOST_DEATHS]


def test_stuck_and_postponed_folders_are_not_due_and_do_not_count_for_the_limit(ledger: Ledger) -> None:
    with ledger.write() as tx:
        now = clock(tx)
        stuck, pausing, free = (add_task(tx).id for _ in range(3))
        for number, task in enumerate((stuck, pausing, free)):
            workspaces.mark_in_use(tx, task, "h1")
            workspaces.retain(tx, task, now - 9 + number)
        for _ in range(MOST_DEATHS):
            _begin_and_die(tx, Key("h1", stuck, "h1/w1"))
        removals.begin(tx, Key("h1", pausing, "h1/w1"), pausing)
        removals.overran(tx, Key("h1", pausing, "h1/w1"), 60.0)

        assert workspaces.past_retention(tx, "h1", 1) == [free]
        assert workspaces.expendable(tx, "h1") == [free, pausing]
