"""Hostile text in the ledger is shown as text on the page of a task."""

import re
from dataclasses import replace

import httpx
from sqlalchemy import update

from bot.store import log_chunks, runs, schema, tasks
from bot.store.ledger import Ledger
from tests.support.rows import a_thread, add_run
from tests.web.failed_task import HOSTILE, SECRET, failed, link


def test_the_page_has_no_markup_of_others_and_no_invisible_characters(
    client: httpx.Client, sqlite_ledger: Ledger
) -> None:
    with sqlite_ledger.write() as tx:
        task = failed(tx, replace(a_thread(), title=HOSTILE))
        log_chunks.append(
            tx, runs.newest(tx, task.id).id, 1_000, b"</pre><script>alert(1)</script>\x00\x9b31m\n"
        )
        tasks.write(tx, task.id, change_number=1, change_url="javascript:alert(1)")

    text = client.get(link(task)).text

    assert "<script" not in text
    assert 'href="javascript:' not in text
    assert "&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;gnp.exe" in text
    assert not set(text) & set("\x00\x1b\x9b\u202e\u200b")


def test_hostile_text_in_every_column_is_shown_as_text(client: httpx.Client, sqlite_ledger: Ledger) -> None:
    text = f"{HOSTILE}'\" onfocus=alert(1) {SECRET}"
    columns = {
        schema.threads: ("title", "path", "repository_url"),
        schema.tasks: ("agent", "base", "branch", "pushed_head", "change_url"),
        schema.runs: ("request", "reason", "summary", "asked_by_login", "agent", "session", "session_from"),
    }
    with sqlite_ledger.write() as tx:
        task = failed(tx)
        add_run(tx, task)
        tasks.write(tx, task.id, change_number=1)
        for table, names in columns.items():
            tx.execute(update(table).values(dict.fromkeys(names, text)))

    page = client.get(link(task)).text

    assert "&lt;script&gt;" in page
    assert "<script" not in page
    assert not re.search("<[^>]*onfocus", page)
    assert not set(page) & set("\x00\x1b\x9b\u202e\u200b")
    assert SECRET not in page
