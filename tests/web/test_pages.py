"""The page of a task, opened with its link or with the token of the operator."""

import base64
import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import replace

import httpx
import pytest
from sqlalchemy import Connection, update
from starlette.applications import Starlette

from bot.agents.claude import Claude
from bot.domain.lifecycle import Phase, State
from bot.domain.outcomes import Outcome
from bot.domain.task import Task
from bot.domain.thread import Thread
from bot.domain.usage import Reached, Tokens, Used
from bot.store import (
    claims,
    leases,
    log_chunks,
    patches,
    removals,
    runs,
    schema,
    shared_keys,
    tasks,
    usage,
    workspaces,
)
from bot.store.ledger import Ledger
from bot.store.removals import Key
from bot.web import pages
from tests.support.asgi_server import listening
from tests.support.claude_stand_in import SESSION, recorded
from tests.support.fakes import FakeForge
from tests.support.rows import a_thread, a_worker, add_run, add_task, all_are_dead, lease_of

KEY = b"k" * 32
SECRET = "hunter2hunter2"
OPERATOR = "the operator's own token"
PATCH = b" 1 file changed, 1 insertion(+)\n\ndiff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -0,0 +1 @@\n+one\n"
HOSTILE = "</title><script>alert('x')</script>\u202egnp.exe\u200b"


@pytest.fixture
def client(sqlite_ledger: Ledger) -> Iterator[httpx.Client]:
    viewer = pages.Viewer(
        ledger=sqlite_ledger,
        link_key=KEY,
        forges={"github": FakeForge()},
        secrets=[SECRET],
        agents={"claude": Claude(())},
        operator_token=OPERATOR,
    )
    with (
        listening(Starlette(routes=pages.routes(viewer))) as (host, port),
        httpx.Client(base_url=f"http://{host}:{port}", verify=False) as client,
    ):
        yield client


def link(task: Task) -> str:
    return shared_keys.task_url("", KEY, task.id)


def failed(tx: Connection, thread: Thread | None = None) -> Task:
    """Add a task whose only run, with the request `tidy it`, ran out of memory."""
    task = add_task(tx, thread)
    run = claims.claim(tx, a_worker(), add_run(tx, task).id)
    workspaces.mark_in_use(tx, task.id, "h1")
    lease = lease_of(run)
    leases.enter(tx, lease, Phase.PREPARE)
    leases.enter(tx, lease, Phase.AGENT)
    log_chunks.append(
        tx, lease.run, 0, b"reading the parser\n\x1b[31mit is\xe2\x80\xae long\x1b[0m\nkey=hunter2hunter2\n"
    )
    leases.end(tx, lease, Outcome.OUT_OF_MEMORY, State.FAILED, "Killed at 2 GiB.")
    tasks.change_state(tx, task.id, State.FAILED)
    workspaces.retain(tx, task.id, 2_000_000_000.0)
    return tasks.get(tx, task.id)


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


def test_the_content_security_policy_has_the_hash_of_the_page_style(
    client: httpx.Client, sqlite_ledger: Ledger
) -> None:
    with sqlite_ledger.write() as tx:
        task = failed(tx)

    answer = client.get(link(task))

    style = answer.text.partition("<style>")[2].partition("</style>")[0]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in answer.headers["content-security-policy"]


def test_a_secret_in_the_log_is_redacted_on_both_pages(client: httpx.Client, sqlite_ledger: Ledger) -> None:
    with sqlite_ledger.write() as tx:
        task = failed(tx)

    page = client.get(link(task)).text
    plain = client.get(link(task).replace("?", "/log?") + "&run=1").text

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
    with sqlite_ledger.write() as tx:
        run = add_run(tx)
        task = tasks.get(tx, run.task)
        log_chunks.append(tx, run.id, 0, b"".join(b"line %d\n" % number for number in range(100_000)))

    page = client.get(link(task)).text
    plain = client.get(link(task).replace("?", "/log?") + "&run=1").text

    assert "line 0\n" in page
    assert "line 99999\n" in page
    assert "line 50000\n" not in page
    assert "bytes left out …" in page
    assert plain == "".join(f"line {number}\n" for number in range(100_000))


def test_a_long_log_with_carriage_returns_is_shown_in_lines(
    client: httpx.Client, sqlite_ledger: Ledger
) -> None:
    with sqlite_ledger.write() as tx:
        run = add_run(tx)
        task = tasks.get(tx, run.task)
        log_chunks.append(tx, run.id, 0, b"\r".join(b"file %d" % number for number in range(100_000)))

    page = client.get(link(task)).text
    plain = client.get(link(task).replace("?", "/log?") + "&run=1").text

    assert "file 0\nfile 1\n" in page
    assert "\nfile 99998\nfile 99999\n" in page
    assert "bytes left out …" in page
    assert plain == "".join(f"file {number}\n" for number in range(100_000))


def test_the_page_shows_the_beginning_of_a_long_log_that_is_one_line(
    client: httpx.Client, sqlite_ledger: Ledger
) -> None:
    with sqlite_ledger.write() as tx:
        run = add_run(tx)
        task = tasks.get(tx, run.task)
        log_chunks.append(tx, run.id, 0, b"begun " + b"x" * 1_000_000)

    assert f"begun {'x' * 1_994} … (line cut)\n" in client.get(link(task)).text


def test_only_the_beginning_of_a_line_that_is_too_long_is_shown(
    client: httpx.Client, sqlite_ledger: Ledger
) -> None:
    before = b"first\n" + b"x" * (128 * 1024)
    with sqlite_ledger.write() as tx:
        run = add_run(tx)
        task = tasks.get(tx, run.task)
        for at, data in [(0, before), (len(before), f"it is {SECRET}".encode() * 20_000 + b"\nlast\n")]:
            log_chunks.append(tx, run.id, at, data)

    plain = client.get(link(task).replace("?", "/log?") + "&run=1").text

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
    plain = client.get(link(task).replace("?", "/log?") + "&run=1").text

    assert "I will look first.\n&gt; Bash ls -la &amp;&amp; cat README.md\n" in page
    assert '<p class="text">Edit &lt;parser&gt;.py</p>' in page
    assert "tool_use" not in page
    assert "tool_use" in plain
    assert SECRET not in page + plain


def test_the_size_of_a_gap_in_the_log_is_shown(client: httpx.Client, sqlite_ledger: Ledger) -> None:
    with sqlite_ledger.write() as tx:
        run = add_run(tx)
        task = tasks.get(tx, run.task)
        log_chunks.append(tx, run.id, 0, b"first\n")
        log_chunks.append(tx, run.id, 1_000_006, b"half a line\nlast\n")

    plain = client.get(link(task).replace("?", "/log?") + "&run=1").text

    assert plain == "first\n… 1,000,000 bytes left out …\nlast\n"


def test_a_line_with_a_missing_part_is_not_shown(client: httpx.Client, sqlite_ledger: Ledger) -> None:
    with sqlite_ledger.write() as tx:
        run = add_run(tx)
        task = tasks.get(tx, run.task)
        log_chunks.append(tx, run.id, 0, f"first\nit is {SECRET[:-1]}".encode())
        log_chunks.append(tx, run.id, 1_000_000, f"{SECRET[-1]}\nlast\n".encode())

    plain = client.get(link(task).replace("?", "/log?") + "&run=1").text

    assert SECRET[:-1] not in plain
    assert re.fullmatch("first\n… [0-9,]+ bytes left out …\nlast\n", plain)


def patched(tx: Connection, text: bytes, size: int = 0) -> Task:
    """Add a failed task whose run has this patch."""
    task = failed(tx)
    patches.add(tx, runs.newest(tx, task.id).id, text, size or len(text))
    return task


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
