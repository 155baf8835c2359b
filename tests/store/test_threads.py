"""Threads: known by the forge's numeric id, and changed by newer information only."""

from dataclasses import replace

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from bot.domain.thread import Kind, Thread
from bot.store import claims, runs, tasks, threads
from bot.store.ledger import Ledger, clock
from bot.store.schema import threads as table
from tests.support.rows import a_thread, a_worker, add_run, add_task

HAMMER = "https://github.com/acme/hammer"
NOW = 1_790_000_000.0


def test_a_thread_is_read_back_unchanged(ledger: Ledger) -> None:
    thread = a_thread()
    with ledger.write() as tx:
        threads.add(tx, thread.key, thread)

        assert threads.get(tx, thread.key) == thread


def test_a_new_title_of_a_thread_is_stored(ledger: Ledger) -> None:
    thread = a_thread()
    with ledger.write() as tx:
        threads.remember(tx, thread.key, thread, NOW)
        threads.remember(tx, thread.key, replace(thread, title="Tidy it all"), NOW)

        assert threads.get(tx, thread.key).title == "Tidy it all"


def test_another_address_of_a_known_repository_is_ignored(ledger: Ledger) -> None:
    first, second = a_thread(), a_thread()
    elsewhere = "file:///srv/other"
    with ledger.write() as tx:
        queued = add_run(tx, add_task(tx, first))
        for thread in (first, second):
            said = replace(thread, path="other/secret", repository_url=elsewhere, title="Tidy it all")
            threads.remember(tx, said.key, said, NOW)

        assert threads.get(tx, first.key) == replace(first, title="Tidy it all")
        assert threads.get(tx, second.key) == replace(second, title="Tidy it all")
        assert runs.get(tx, queued.id).repository_url == first.repository_url


@given(st.permutations(range(4)))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=24)
def test_only_newer_information_changes_a_thread_or_its_address(
    sqlite_ledger: Ledger, order: list[int]
) -> None:
    thread = a_thread()
    with sqlite_ledger.write() as tx:
        for age in order:
            said = replace(thread, title=f"Title {age}", confidential=age == 0)
            threads.remember(tx, said.key, said, NOW - age)
            address = {"path": f"acme/name{age}", "url": f"https://github.com/acme/name{age}"}
            threads.move(tx, "github", 1, as_of=NOW - age, **address)

        found = threads.get(tx, thread.key)
        tx.rollback()

    assert (found.title, found.confidential, found.path, found.repository_url) == (
        "Title 0",
        True,
        "acme/name0",
        "https://github.com/acme/name0",
    )


def test_older_information_can_only_make_a_thread_confidential(ledger: Ledger) -> None:
    thread = a_thread()
    hidden = replace(thread, confidential=True)
    with ledger.write() as tx:
        threads.remember(tx, thread.key, thread, NOW)
        threads.remember(tx, thread.key, replace(hidden, title="Before"), NOW - 5)
        assert threads.get(tx, thread.key) == hidden

        threads.remember(tx, thread.key, thread, NOW - 5)
        assert threads.get(tx, thread.key) == hidden

        threads.remember(tx, thread.key, thread, NOW + 1)
        assert threads.get(tx, thread.key) == thread


def test_a_time_in_the_future_does_not_end_the_updates_of_a_thread(ledger: Ledger) -> None:
    thread = a_thread()
    with ledger.write() as tx:
        threads.remember(tx, thread.key, thread, 253_370_764_800.0)  # the year 9999
        threads.remember(tx, thread.key, replace(thread, title="Tidy it all"), clock(tx))

        assert threads.get(tx, thread.key).title == "Tidy it all"


def test_a_new_thread_is_as_late_as_the_known_address_of_its_repository(ledger: Ledger) -> None:
    old, new = a_thread(), a_thread()
    with ledger.write() as tx:
        threads.add(tx, old.key, old)
        threads.move(tx, "github", 1, path="acme/hammer", url=HAMMER, as_of=NOW)
        queued = add_run(tx, add_task(tx, new))

        threads.move(tx, "github", 1, path=new.path, url=new.repository_url, as_of=NOW - 1)

        assert [threads.get(tx, each.key).repository_url for each in (old, new)] == [HAMMER] * 2
        assert runs.get(tx, queued.id).repository_url == HAMMER


def test_a_move_changes_all_threads_of_the_repository_and_no_others(ledger: Ledger) -> None:
    first, second, elsewhere = a_thread(), a_thread(), a_thread(repository=2)
    with ledger.write() as tx:
        for thread in (first, second, elsewhere):
            threads.add(tx, thread.key, thread)
        threads.move(tx, "github", 1, path="acme/hammer", url=HAMMER, as_of=NOW)

        assert threads.get(tx, first.key) == a_thread(first.number, name="hammer")
        assert threads.get(tx, second.key) == a_thread(second.number, name="hammer")
        assert threads.get(tx, elsewhere.key) == elsewhere


def test_a_new_thread_after_a_move_has_the_address_of_the_others(ledger: Ledger) -> None:
    old, new = a_thread(), a_thread()
    with ledger.write() as tx:
        threads.add(tx, old.key, old)
        threads.move(tx, "github", 1, path="acme/hammer", url=HAMMER, as_of=NOW)
        threads.add(tx, new.key, new)

        assert threads.get(tx, new.key).repository_url == HAMMER


def test_the_same_id_on_another_forge_is_another_repository(ledger: Ledger) -> None:
    here, there = a_thread(), replace(a_thread(name="hammer"), forge="gitlab")
    with ledger.write() as tx:
        threads.add(tx, here.key, here)
        threads.add(tx, there.key, there)

        assert threads.get(tx, there.key) == there


def test_a_new_url_with_the_same_path_is_stored(ledger: Ledger) -> None:
    thread = a_thread()
    with ledger.write() as tx:
        threads.add(tx, thread.key, thread)
        threads.move(tx, "github", 1, path=thread.path, url="http://forge.local/acme/r1", as_of=NOW)

        assert threads.get(tx, thread.key).repository_url == "http://forge.local/acme/r1"


def test_queued_runs_follow_a_rename_and_running_ones_do_not(ledger: Ledger) -> None:
    with ledger.write() as tx:
        running = add_run(tx)
        claims.claim_next(tx, a_worker())
        queued = add_run(tx)
        threads.move(tx, "github", 1, path="acme/hammer", url=HAMMER, as_of=NOW)

        assert runs.get(tx, queued.id).repository_url == HAMMER
        assert runs.get(tx, running.id).repository_url == "https://github.com/acme/r1"
        assert tasks.get(tx, queued.task).thread.path == "acme/hammer"


def test_repositories_of_the_operator_do_not_change_each_other(ledger: Ledger) -> None:
    def local(name: str) -> Thread:
        url = f"file:///srv/{name}"
        return Thread(forge="", repository_id=0, repository_url=url, path=name, kind=Kind.CLI, number=0)

    with ledger.write() as tx:
        threads.add(tx, "cli:t1", local("anvil"))
        threads.add(tx, "cli:t2", local("hammer"))
        threads.add(tx, "cli:t1", local("anvil"))

        assert tx.execute(select(table.c.path).order_by(table.c.key)).scalars().all() == ["anvil", "hammer"]


def test_a_task_contains_its_thread(ledger: Ledger) -> None:
    thread = a_thread(12)
    with ledger.write() as tx:
        task = add_task(tx, thread)

    assert task.thread == thread
    assert task.thread_key == "github:1:issue:12"


def test_one_thread_of_each_repository_of_a_forge_is_returned(ledger: Ledger) -> None:
    known = [a_thread(), a_thread(), a_thread(repository=2), replace(a_thread(), forge="gitlab")]
    asked_here = replace(a_thread(repository=0), forge="", kind=Kind.CLI)
    with ledger.write() as tx:
        for thread in (*known, asked_here):
            threads.add(tx, thread.key, thread)

        found = threads.one_of_each_repository(tx)

    assert [(each.forge, each.repository_id) for each in found] == [
        ("github", 1),
        ("github", 2),
        ("gitlab", 1),
    ]
