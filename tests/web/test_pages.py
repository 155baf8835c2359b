"""The page of a task: its state, its runs, its links and its usage."""

import httpx
from sqlalchemy import Connection, update

from bot.domain.usage import Reached, Tokens, Used
from bot.store import removals, schema, tasks, usage, workspaces
from bot.store.ledger import Ledger
from bot.store.removals import Key
from tests.support.fakes import FakeForge
from tests.support.rows import a_thread, add_run, add_task, all_are_dead
from tests.web.failed_task import HOSTILE, SECRET, failed, link


def test_the_page_of_a_failed_task_has_reason_next_command_and_retention(
    client: httpx.Client, sqlite_ledger: Ledger
) -> None:
    with sqlite_ledger.write() as tx:
        task = failed(tx)

    answer = client.get(link(task))

    assert answer.status_code == 200
    for words in (
        "The agent ran out of memory.",
        "Killed at 2 GiB.",
        "/resume",
        "tidy it",
        "asked by ann",
        "out of memory",
        "kept until <time",
        "2033-05-18 03:33 UTC",
        f"<code>{task.branch}</code>",
        "(not pushed)",
        "<li>prepare <b>",
        "<li>agent <b>",
        "reading the parser",
    ):
        assert words in answer.text


def test_a_workspace_that_the_bot_cannot_remove_is_shown_with_the_command_to_remove_it(
    client: httpx.Client, sqlite_ledger: Ledger
) -> None:
    with sqlite_ledger.write() as tx:
        task = failed(tx)
        _record_deaths(tx, task.id, task.id)
    present = client.get(link(task)).text
    with sqlite_ledger.write() as tx:
        workspaces.claim_removal(tx, task.id)
        removals.forget(tx, "h1", task.id)
        _record_deaths(tx, f"{task.id}.gone-<b>", task.id)
    removed = client.get(link(task)).text

    notice = "The bot died 3 times while it exported or removed this workspace"
    command = f"<code>forgehand workspaces rm {task.id}</code>"
    for text, words in (
        (present, (f"<dd>{notice}", f"<code>workspaces/{task.id}</code>")),
        (removed, (f"<dd>removed. {notice}", f"<code>workspaces/{task.id}.gone-&lt;b&gt;</code>")),
    ):
        for each in (*words, command):
            assert each in text
    assert "kept until" not in present


def _record_deaths(tx: Connection, folder: str, task_id: str) -> None:
    for _ in range(removals.MOST_DEATHS):
        removals.begin(tx, Key("h1", folder, "h1/dead"), task_id)
        removals.count_deaths(tx, "h1", all_are_dead)


def test_the_page_of_a_pushed_task_links_thread_branch_commit_and_change(
    client: httpx.Client, sqlite_ledger: Ledger
) -> None:
    with sqlite_ledger.write() as tx:
        task = failed(tx)
        tasks.write(
            tx,
            task.id,
            pushed_head="c0ffee" * 6,
            change_number=9,
            change_url="https://github.com/acme/r1/pull/9",
        )
        pushed = tasks.get(tx, task.id)
    forge = FakeForge().pages(task.thread)

    text = client.get(link(task)).text

    assert f'href="{forge.thread}"' in text
    assert f'href="{forge.branch.format(branch=task.branch)}"' in text
    assert f'href="{forge.commit.format(sha=pushed.pushed_head)}"' in text
    assert 'href="https://github.com/acme/r1/pull/9">#9</a>' in text


def test_the_link_of_a_branch_with_special_characters_is_quoted(
    client: httpx.Client, sqlite_ledger: Ledger
) -> None:
    with sqlite_ledger.write() as tx:
        task = add_task(tx)
        tx.execute(update(schema.tasks).where(schema.tasks.c.id == task.id).values(branch="fix/#12-50%"))
        tasks.write(tx, task.id, pushed_head="c0ffee" * 6)
        add_run(tx, task)

    text = client.get(link(task)).text

    address = FakeForge().pages(task.thread).branch.format(branch="fix/%2312-50%25")
    assert f'<a href="{address}">fix/#12-50%</a>' in text


def test_the_page_of_a_queued_run_has_its_queue_position(client: httpx.Client, sqlite_ledger: Ledger) -> None:
    with sqlite_ledger.write() as tx:
        first = add_run(tx, add_task(tx, a_thread(1)))
        second = add_run(tx, add_task(tx, a_thread(2)))
        task = tasks.get(tx, second.task)

    text = client.get(link(task)).text

    assert first.repository_url == second.repository_url
    assert "Queue position: 2." in text
    assert "Nothing so far." in text


def test_the_page_has_the_models_hosts_and_refused_requests_of_a_run(
    client: httpx.Client, sqlite_ledger: Ledger
) -> None:
    with sqlite_ledger.write() as tx:
        run = add_run(tx)
        tokens = Tokens(input=1000, cache_read=200, output=34)
        usage.write(tx, run.id, [Used(day=1, model="m", requests=12, tokens=tokens, cost=0.421)])
        usage.write(tx, run.id, [Used(day=1, model="free", requests=3)])
        kinds = {("evil.example:443", "not allowed"): 3, (HOSTILE, f"said {SECRET}"): 1}
        usage.write_refusals(tx, run.id, kinds)
        reached = [
            Reached(target="pip.test:443", count=2, sent=900, received=3 << 19),
            Reached(target=HOSTILE, count=1),
        ]
        usage.write_reached(tx, run.id, reached)
        task = tasks.get(tx, run.task)

    text = client.get(link(task)).text

    assert "Models: 15 requests, 1,234 tokens, at least $0.42." in text
    assert '<li>pip.test:443, 2 times <span class="soft">(1.5 MiB received, 900 B sent)</span></li>' in text
    assert 'gnp.exe, once <span class="soft">(0 B received' in text
    assert '<li>evil.example:443, 3 times <span class="soft">(not allowed)</span></li>' in text
    assert "<li>&lt;/title&gt;&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;gnp.exe, once" in text
    assert SECRET not in text


def test_the_page_has_the_most_frequently_refused_targets_of_a_run(
    client: httpx.Client, sqlite_ledger: Ledger
) -> None:
    with sqlite_ledger.write() as tx:
        run = add_run(tx)
        usage.write_refusals(tx, run.id, {(f"h{n:02}.example:443", "no"): 30 - n for n in range(22)})
        task = tasks.get(tx, run.task)

    text = client.get(link(task)).text

    assert "h19.example:443, 11 times" in text
    assert "h20.example" not in text
    assert "<li>others, 19 times</li>" in text
