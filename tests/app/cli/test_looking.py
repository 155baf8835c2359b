"""Commands that only read, as real processes beside a ledger with tasks, or in an empty folder."""

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from bot.domain.lifecycle import State
from bot.domain.outcomes import Outcome
from bot.domain.thread import Kind
from bot.store import claims, leases, log_chunks, patches, tasks, workspaces
from bot.store.ledger import Ledger, open_ledger
from bot.store.shared_keys import get_or_add
from tests.support.rows import a_thread, a_worker, add_run, add_task, lease_of
from tests.support.terminal import COLUMNS, on_a_terminal, without_styles

pytestmark = pytest.mark.waits

PATCH = b""" notes | 1 +
 1 file changed, 1 insertion(+)

diff --git a/notes b/notes
@@ -1 +1,2 @@
 hello
+s3cret-of-the-operator\x1b[31m
"""
SECRET = "s3cret-of-the-operator"


@dataclass(frozen=True)
class Desk:
    """A folder with a ledger: one task that was pushed, and one that is queued."""

    folder: Path
    pushed: str
    queued: str

    @property
    def environment(self) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "PYTHONPATH": str(Path(__file__).parents[3]),
            "FORGEHAND_DATA__PATH": str(self.folder / "forgehand-data"),
            "FORGEHAND_GITHUB__TOKEN": SECRET,
            "FORGEHAND_SERVER__PUBLIC_URL": "https://bot.example.org",
        }

    def call(self, *args: str, status: int = 0) -> tuple[str, str]:
        """Run `forgehand` with pipes; return its standard output and error."""
        done = subprocess.run(
            [sys.executable, "-m", "bot", *args],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
        )
        assert done.returncode == status, done.stderr
        return done.stdout, done.stderr

    def on_a_terminal(self, *args: str) -> str:
        shown, status = on_a_terminal(*args, folder=self.folder, environment=self.environment)
        assert status == 0, shown
        return shown


def _fill(ledger: Ledger) -> tuple[str, str]:
    long = replace(
        a_thread(14, name="a-repository-with-a-long-name-that-takes-all-the-room"),
        kind=Kind.CHANGE,
        title="The parser crashes if a value ends with a blank \x1b]0;mine\x07\x1b[31mand then some more",
    )
    with ledger.write() as tx:
        run = add_run(tx, add_task(tx, long))
        lease = lease_of(claims.claim(tx, a_worker(), run.id))
        leases.write(tx, lease, agent="demo", agent_started=True)
        log_chunks.append(tx, run.id, 0, b"reading the parser\n")
        leases.end(tx, lease, Outcome.PUSHED, State.SUCCEEDED, "")
        patches.add(tx, run.id, PATCH, len(PATCH))
        workspaces.mark_in_use(tx, run.task, "h1")
        tasks.write(tx, run.task, state=State.SUCCEEDED, pushed_head="c0ffee" * 6, created_at=1000)
        queued = add_task(tx, a_thread(name="anvil"))
        add_run(tx, queued)
        get_or_add(tx, "link", "ab" * 32)  # as the bot does at its first start
    return run.task, queued.id


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    data = tmp_path / "forgehand-data"
    data.mkdir()
    with closing(open_ledger(f"sqlite:///{data / 'ledger.sqlite3'}")) as ledger:
        yield Desk(tmp_path, *_fill(ledger))


def test_tasks_fit_80_columns_and_name_the_thread_and_the_time(desk: Desk) -> None:
    shown = without_styles(desk.on_a_terminal("tasks"))

    head, queued, pushed = shown.splitlines()
    assert head.split() == ["TASK", "STATE", "THREAD", "TITLE", "ASKED"]
    assert queued.split()[:2] == [desk.queued, "queued"]
    assert queued.rstrip().endswith("now")
    assert pushed.split()[:2] == [desk.pushed, "pushed"]
    assert "…" in pushed
    assert "all-the-room#14" in pushed
    assert pushed.rstrip().endswith("days ago")
    assert max(map(len, shown.splitlines())) <= COLUMNS


def test_tasks_in_a_pipe_are_whole_and_json_has_iso_times(desk: Desk) -> None:
    output, _ = desk.call("tasks", "--state", "succeeded", "--person", "ann")
    rows = json.loads(desk.call("tasks", "--json")[0])

    assert "ends with a blank and then some more" in output
    assert "\x1b" not in output
    assert desk.queued not in output
    assert [row["task"] for row in rows] == [desk.queued, desk.pushed]
    assert rows[1]["created"] == "1970-01-01T00:16:40Z"


def test_no_match_is_said_and_is_no_failure(desk: Desk) -> None:
    assert desk.call("tasks", "--person", "nobody") == ("", "No task matches.\n")


def test_a_bad_filter_is_a_usage_error(desk: Desk) -> None:
    assert "there is no state" in desk.call("tasks", "--state", "bad", status=2)[1]
    assert "--since must be" in desk.call("tasks", "--since", "soon", status=2)[1]
    assert "from 1 to 1,000,000" in desk.call("tasks", "--limit", "0", status=2)[1]


def test_show_has_runs_next_commands_and_the_page(desk: Desk) -> None:
    output, _ = desk.call("show", desk.pushed)
    about = json.loads(desk.call("show", desk.pushed, "--json")[0])

    assert f"Task {desk.pushed}: The parser crashes" in output
    assert "Run 1: pushed" in output
    assert "at c0ffeec0ff" in output
    assert f'forgehand resume {desk.pushed} "<what to do next>"' in output
    assert f"forgehand diff {desk.pushed}" in output
    assert f"https://bot.example.org/tasks/{desk.pushed}?key=" in output
    assert "\x1b" not in output
    assert about["page"] in output
    assert [run["outcome"] for run in about["runs"]] == ["pushed"]


def test_show_of_a_queued_task_offers_to_stop_it(desk: Desk) -> None:
    output, _ = desk.call("show", desk.queued)

    assert "queued, next in the queue" in output
    assert f"forgehand cancel {desk.queued}" in output
    assert "forgehand resume" not in output


def test_a_diff_is_plain_in_a_pipe_and_coloured_on_a_terminal(desk: Desk) -> None:
    output, _ = desk.call("diff", desk.pushed)
    shown = desk.on_a_terminal("diff", desk.pushed)

    assert output.splitlines()[-2:] == [" hello", "+[redacted]"]
    assert "\x1b[32m+[redacted]\x1b[0m" in shown
    assert SECRET not in shown
    assert without_styles(shown) == output


def test_a_task_without_a_patch_has_no_diff(desk: Desk) -> None:
    assert (
        "has no changes to show: its newest run has not ended" in desk.call("diff", desk.queued, status=1)[1]
    )


def test_open_prints_the_address_of_the_page(desk: Desk) -> None:
    output, _ = desk.call("open", desk.pushed, "--print")

    assert output.startswith(f"https://bot.example.org/tasks/{desk.pushed}?key=")


def test_the_log_of_a_run_is_chosen_by_its_number(desk: Desk) -> None:
    assert desk.call("logs", desk.pushed, "--run", "1")[0] == "reading the parser\n"
    assert "has no run 2: it has only run 1" in desk.call("logs", desk.pushed, "--run", "2", status=1)[1]


def test_a_log_without_output_is_explained(desk: Desk) -> None:
    said = f"forgehand: run 1 of task {desk.queued} has no output yet\n"

    assert desk.call("logs", desk.queued) == ("", said)


@pytest.mark.parametrize("args", [("tasks",), ("show", "x"), ("cancel", "x")], ids=" ".join)
def test_a_damaged_ledger_is_one_sentence_with_the_remedy(tmp_path: Path, args: tuple[str, ...]) -> None:
    file = tmp_path / "forgehand-data" / "ledger.sqlite3"
    file.parent.mkdir()
    file.write_bytes(b"no database" * 1000)

    _, errors = Desk(tmp_path, "", "").call(*args, status=1)

    assert errors.startswith(f"forgehand: The ledger {file} is damaged (file is not a database). ")
    assert "Backups" in errors
    assert file.read_bytes() == b"no database" * 1000


def test_damage_that_shows_later_is_told_as_well(desk: Desk) -> None:
    file = desk.folder / "forgehand-data" / "ledger.sqlite3"
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    whole = file.read_bytes()
    file.write_bytes(whole[:8192] + b"\xff" * (len(whole) - 8192))

    assert "is damaged (" in desk.call("show", desk.pushed, status=1)[1]


def test_an_id_may_be_shortened_if_it_stays_unique(desk: Desk) -> None:
    unknown = desk.call("show", "nosuch", status=1)[1]
    several = desk.call("logs", "t", status=1)[1]

    assert unknown == (
        f"forgehand: No task `nosuch`. Newest: {desk.queued}, {desk.pushed} (`forgehand tasks`).\n"
    )
    assert f"Several tasks begin with `t`: {min(desk.queued, desk.pushed)}, " in several
    # The ids of tests are a letter and a number, so one may begin with the other.
    unique = max(desk.queued, desk.pushed)
    assert f"Task {unique}" in desk.call("show", unique.upper())[0]


@pytest.mark.parametrize(
    "args",
    [
        ("tasks",),
        ("tasks", "--json"),
        ("show", "x"),
        ("logs", "x"),
        ("diff", "x"),
        ("open", "x"),
        ("costs",),
        ("cancel", "x"),
        ("workspaces", "ls"),
        ("workspaces", "rm", "x"),
    ],
    ids=" ".join,
)
def test_without_data_nothing_is_created(tmp_path: Path, args: tuple[str, ...]) -> None:
    _, errors = Desk(tmp_path, "", "").call(*args, status=1)

    assert f"No data here (looked in {tmp_path / 'forgehand-data'})" in errors
    assert "[data] path" in errors
    assert list(tmp_path.iterdir()) == []


def test_a_shell_completes_ids(desk: Desk) -> None:
    words = {"_FORGEHAND_COMPLETE": "complete_bash", "COMP_WORDS": "forgehand show t", "COMP_CWORD": "2"}
    done = subprocess.run(
        [sys.executable, "-c", "from bot.app.cli.main import main; main()"],
        cwd=desk.folder,
        env=desk.environment | words,
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout.split() == [desk.queued, desk.pushed]
