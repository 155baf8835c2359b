"""The log of a run, on the page of its task and alone."""

import json
import re

import httpx

from bot.domain.lifecycle import Phase
from bot.domain.task import Task
from bot.store import claims, leases, log_chunks, runs, tasks
from bot.store.ledger import Ledger
from tests.support.claude_stand_in import SESSION, recorded
from tests.support.rows import a_worker, add_run, lease_of
from tests.web.failed_task import SECRET, failed, link


def task_with_log(ledger: Ledger, *pieces: tuple[int, bytes]) -> Task:
    """Add a run whose log has these bytes at these offsets, and return its task."""
    with ledger.write() as tx:
        run = add_run(tx)
        for offset, data in pieces:
            log_chunks.append(tx, run.id, offset, data)
        return tasks.get(tx, run.task)


def raw_log(client: httpx.Client, task: Task) -> str:
    return client.get(link(task).replace("?", "/log?") + "&run=1").text


def test_a_secret_in_the_log_is_redacted_on_both_pages(client: httpx.Client, sqlite_ledger: Ledger) -> None:
    with sqlite_ledger.write() as tx:
        task = failed(tx)

    page = client.get(link(task)).text
    plain = raw_log(client, task)

    assert SECRET not in page + plain
    assert plain == "reading the parser\nit is long\nkey=[redacted]\n"


def test_the_page_links_to_the_log_of_each_run(client: httpx.Client, sqlite_ledger: Ledger) -> None:
    with sqlite_ledger.write() as tx:
        task = failed(tx)

    text = client.get(link(task)).text

    start = text.index(f'href="{task.id}/log?') + len('href="')
    address = text[start : text.index('"', start)].replace("&amp;", "&")
    assert client.get(f"/tasks/{address}").status_code == 200


def test_the_page_shows_the_beginning_and_the_end_of_a_long_log(
    client: httpx.Client, sqlite_ledger: Ledger
) -> None:
    task = task_with_log(sqlite_ledger, (0, b"".join(b"line %d\n" % number for number in range(100_000))))

    page, plain = client.get(link(task)).text, raw_log(client, task)

    assert "line 0\n" in page
    assert "line 99999\n" in page
    assert "line 50000\n" not in page
    assert "bytes left out …" in page
    assert plain == "".join(f"line {number}\n" for number in range(100_000))


def test_a_long_log_with_carriage_returns_is_shown_in_lines(
    client: httpx.Client, sqlite_ledger: Ledger
) -> None:
    task = task_with_log(sqlite_ledger, (0, b"\r".join(b"file %d" % number for number in range(100_000))))

    page, plain = client.get(link(task)).text, raw_log(client, task)

    assert "file 0\nfile 1\n" in page
    assert "\nfile 99998\nfile 99999\n" in page
    assert "bytes left out …" in page
    assert plain == "".join(f"file {number}\n" for number in range(100_000))


def test_the_page_shows_the_beginning_of_a_long_log_that_is_one_line(
    client: httpx.Client, sqlite_ledger: Ledger
) -> None:
    task = task_with_log(sqlite_ledger, (0, b"begun " + b"x" * 1_000_000))

    assert f"begun {'x' * 1_994} … (line cut)\n" in client.get(link(task)).text


def test_only_the_beginning_of_a_line_that_is_too_long_is_shown(
    client: httpx.Client, sqlite_ledger: Ledger
) -> None:
    before = b"first\n" + b"x" * (128 * 1024)
    after = f"it is {SECRET}".encode() * 20_000 + b"\nlast\n"
    task = task_with_log(sqlite_ledger, (0, before), (len(before), after))

    plain = raw_log(client, task)

    assert plain == f"first\n{'x' * 2000} … (line cut)\nlast\n"


def test_the_page_shows_the_text_of_agent_events_and_links_the_raw_log(
    client: httpx.Client, sqlite_ledger: Ledger
) -> None:
    content = [{"type": "tool_result", "content": SECRET}]
    answered = json.dumps({"type": "user", "message": {"content": content}}).encode()
    printed = b"\n".join([*recorded("good")[:3], answered])
    with sqlite_ledger.write() as tx:
        lease = lease_of(claims.claim(tx, a_worker(), add_run(tx).id))
        leases.enter(tx, lease, Phase.AGENT)
        leases.write(tx, lease, agent="claude", session=SESSION, doing="Edit <parser>.py")
        log_chunks.append(tx, lease.run, 0, printed)
        task = tasks.get(tx, runs.get(tx, lease.run).task)

    page = client.get(link(task)).text
    plain = raw_log(client, task)

    assert "I will look first.\n&gt; Bash ls -la &amp;&amp; cat README.md\n" in page
    assert '<p class="text">Edit &lt;parser&gt;.py</p>' in page
    assert "tool_use" not in page
    assert "tool_use" in plain
    assert SECRET not in page + plain


def test_the_size_of_a_gap_in_the_log_is_shown(client: httpx.Client, sqlite_ledger: Ledger) -> None:
    task = task_with_log(sqlite_ledger, (0, b"first\n"), (1_000_006, b"half a line\nlast\n"))

    plain = raw_log(client, task)

    assert plain == "first\n… 1,000,000 bytes left out …\nlast\n"


def test_a_line_with_a_missing_part_is_not_shown(client: httpx.Client, sqlite_ledger: Ledger) -> None:
    before, after = f"first\nit is {SECRET[:-1]}".encode(), f"{SECRET[-1]}\nlast\n".encode()
    task = task_with_log(sqlite_ledger, (0, before), (1_000_000, after))

    plain = raw_log(client, task)

    assert SECRET[:-1] not in plain
    assert re.fullmatch("first\n… [0-9,]+ bytes left out …\nlast\n", plain)
