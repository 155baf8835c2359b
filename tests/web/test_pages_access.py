"""The page of a task opens only with its link or with the token of the operator, and under strict headers."""

import base64
import hashlib

import httpx
import pytest

from bot.store import shared_keys
from bot.store.ledger import Ledger
from tests.web.failed_task import KEY, OPERATOR, PATCH, failed, link, patched


def test_the_content_security_policy_has_the_hash_of_the_page_style(
    client: httpx.Client, sqlite_ledger: Ledger
) -> None:
    with sqlite_ledger.write() as tx:
        task = failed(tx)

    answer = client.get(link(task))

    style = answer.text.partition("<style>")[2].partition("</style>")[0]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in answer.headers["content-security-policy"]


@pytest.mark.parametrize("key", ["", "0" * 64, "é", shared_keys.task_signature(b"another key", "t")])
def test_a_page_is_not_found_with_a_wrong_key(client: httpx.Client, sqlite_ledger: Ledger, key: str) -> None:
    with sqlite_ledger.write() as tx:
        task = patched(tx, PATCH)

    for path in (f"/tasks/{task.id}", f"/tasks/{task.id}/log", f"/tasks/{task.id}/patch"):
        assert client.get(path, params={"key": key, "run": "1"}).status_code == 404


def test_the_link_of_one_task_does_not_open_another_task(client: httpx.Client, sqlite_ledger: Ledger) -> None:
    with sqlite_ledger.write() as tx:
        mine, other = failed(tx), failed(tx)

    answer = client.get(f"/tasks/{other.id}", params={"key": shared_keys.task_signature(KEY, mine.id)})

    assert answer.status_code == 404


def test_an_address_with_a_slash_at_its_end_leads_nowhere(
    client: httpx.Client, sqlite_ledger: Ledger
) -> None:
    with sqlite_ledger.write() as tx:
        path, _, query = link(failed(tx)).partition("?")

    answer = client.get(f"{path}/?{query}", headers={"host": "elsewhere.example"})

    assert (answer.status_code, answer.headers.get("location")) == (404, None)


@pytest.mark.parametrize("run", ["2", "", "x", "-1"])
def test_the_log_of_an_unknown_run_is_not_found(
    client: httpx.Client, sqlite_ledger: Ledger, run: str
) -> None:
    with sqlite_ledger.write() as tx:
        task = failed(tx)

    answer = client.get(
        f"/tasks/{task.id}/log", params={"key": shared_keys.task_signature(KEY, task.id), "run": run}
    )

    assert answer.status_code == 404


def test_a_signed_link_to_an_unknown_task_is_not_found(client: httpx.Client) -> None:
    assert client.get(shared_keys.task_url("", KEY, "nobody")).status_code == 404


def test_headers_of_a_page_forbid_caching_frames_scripts_indexing_and_referrers(
    client: httpx.Client, sqlite_ledger: Ledger
) -> None:
    with sqlite_ledger.write() as tx:
        task = failed(tx)

    headers = client.get(link(task)).headers

    assert headers["cache-control"] == "no-store"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["x-robots-tag"] == "noindex, nofollow"
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "script-src" not in headers["content-security-policy"]
    assert "frame-ancestors 'none'" in headers["content-security-policy"]


def test_the_token_of_the_operator_opens_the_page_of_a_task(
    client: httpx.Client, sqlite_ledger: Ledger
) -> None:
    with sqlite_ledger.write() as tx:
        task = failed(tx)

    def status(token: str) -> int:
        return client.get(f"/tasks/{task.id}", headers={"authorization": f"Bearer {token}"}).status_code

    assert (status(OPERATOR), status("another token")) == (200, 404)
