"""The patch of a run as plain text, and its link."""

import httpx

from bot.store import shared_keys
from bot.store.ledger import Ledger
from tests.web.failed_task import KEY, PATCH, failed, link, patched


def test_the_patch_is_plain_text_and_linked_from_the_page(
    client: httpx.Client, sqlite_ledger: Ledger
) -> None:
    with sqlite_ledger.write() as tx:
        task = patched(tx, PATCH)

    page = client.get(link(task)).text
    answer = client.get(shared_keys.patch_url("", KEY, task.id))

    assert f'href="{task.id}/patch?key={shared_keys.task_signature(KEY, task.id)}"' in page
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    first, _, rest = answer.text.partition("\n")
    assert first == f"Patch of run 1 of task {task.id}, for reading: invisible characters are removed."
    assert rest == PATCH.decode()


def test_the_patch_shows_no_secret_no_invisible_character_and_no_forged_line(
    client: httpx.Client, sqlite_ledger: Ledger
) -> None:
    with sqlite_ledger.write() as tx:
        task = patched(
            tx,
            PATCH + "+\x1b[31mred\u202e\u200b\n+a\r/approve\r\n+key=hunter2hunter2\n".encode() + b"+\xff\n",
        )

    text = client.get(shared_keys.patch_url("", KEY, task.id)).text

    assert text.endswith("+red\n+a/approve\n+key=[redacted]\n+\ufffd\n")


def test_the_page_of_an_incomplete_patch_has_both_sizes(client: httpx.Client, sqlite_ledger: Ledger) -> None:
    with sqlite_ledger.write() as tx:
        task = patched(tx, PATCH, 9_000_000)

    text = client.get(shared_keys.patch_url("", KEY, task.id)).text

    assert f"The first {len(PATCH)} of 9,000,000 bytes." in text


def test_a_task_without_a_patch_has_neither_link_nor_page_of_a_patch(
    client: httpx.Client, sqlite_ledger: Ledger
) -> None:
    with sqlite_ledger.write() as tx:
        task = failed(tx)

    assert "/patch?" not in client.get(link(task)).text
    assert client.get(shared_keys.patch_url("", KEY, task.id)).status_code == 404
