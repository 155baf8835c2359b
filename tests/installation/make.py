"""Make an installation that died in the middle of its work, with the code of a given commit.

    git worktree add --detach ../then <commit>
    python -m tests.installation.make ../then tests/installation/from_<commit>
    git worktree remove ../then

The commit's code runs for real, in this virtual environment. It is killed before it reports the end
of a run, started again while the forge refuses its requests, and killed for good before it sends a
reply. Before that, it is killed once between sending a reply and recording that it was sent.
"""

import json
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from tests.installation.installation import CLOSED, Installation, installed
from tests.journeys.world import HOLD, shell
from tests.support.services import running_postgres, running_redis
from tests.support.waiting import eventually

TITLES = ("fails", "awaiting", "lost", "unreported", "unsent", "unanswered", "posted")
# a bot that kills itself: its present name, and its name at 3cf686a
PROGRAMS = ("killed_bot.py", "mortal.py")
UNAVAILABLE = 3600.0  # seconds for which the forge refuses requests; due work is postponed for as long

FAILS = """
echo unfinished >left.txt
echo remembered >"$HOME/note"
exit 3
"""
AWAITING_APPROVAL = """
echo ran >>"$HOME/times"
mkdir -p .github/workflows
echo 'on: push' >.github/workflows/ci.yml
git add .github
git commit -qm 'Add a workflow'
"""
LOST = f"""
echo begun >begun.txt
echo remembered >"$HOME/note"
{HOLD}
"""
UNREPORTED = f"""
{HOLD}
echo one >one.txt
git add one.txt
git commit -qm 'Write one'
"""


def main(code: Path, target: Path) -> None:
    target.mkdir(parents=True, exist_ok=True)
    name = target.name.replace("_", "-")
    with _installation(code, "sqlite") as made:
        _live(made, f"{name}-sqlite")
        _pack(made, target / "sqlite.tar.gz")
    with running_postgres() as postgres, running_redis() as redis:
        url = postgres.empty()
        with _installation(code, "postgresql", store_url=url, redis_url=f"{redis.url}/0") as made:
            _live(made, f"{name}-postgresql")
            (made.folder / "ledger.sql").write_text(_dump(url))
            _pack(made, target / "postgresql.tar.gz")


@contextmanager
def _installation(
    code: Path, database: str, *, store_url: str = "", redis_url: str = ""
) -> Iterator[Installation]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        store_url = store_url or f"sqlite:///{folder / 'data' / 'ledger.sqlite3'}"
        made = Installation(
            folder=folder, database=database, store_url=store_url, redis_url=redis_url, code=code
        )
        with installed(made):
            yield made


def _live(made: Installation, instance: str) -> None:
    """Work until there is one row of each kind, then die."""
    made.data.mkdir(mode=0o700)
    # so that the archive does not have the name of this machine
    (made.data / "instance").write_text(instance)
    made.start_forge()
    journeys = made.code / "tests" / "journeys"
    (program,) = [name for name in PROGRAMS if (journeys / name).exists()]
    bot = made.start_bot([str(journeys / program)])
    made.listen()
    threads = {title: made.open_issue(title) for title in TITLES}
    _die_with_a_reply(made, threads["posted"], "sent_at > 0", before=True)
    _refuse_requests(made, UNAVAILABLE)
    _restart_worker(made, bot)
    eventually(lambda: _is_postponed(made))
    _refuse_requests(made, 0)
    for title, script, outcome in (("fails", FAILS, "agent_failed"), ("awaiting", AWAITING_APPROVAL, "held")):
        made.say(threads[title], f"/run {shell(script)}")
        _must_end(made, threads[title], outcome)
    for title, script in (("lost", LOST), ("unreported", UNREPORTED)):
        made.say(threads[title], f"/run {shell(script)}")
        eventually(partial(_has_begun, made, threads[title]))
    eventually(lambda: _is_postponed(made))
    _die_with_an_end(made, threads["unreported"])
    _refuse_requests(made, UNAVAILABLE)
    _restart_worker(made, bot)
    made.say(threads["unanswered"], "/status")
    eventually(lambda: made.rows("SELECT 1 FROM deliveries WHERE answered_at IS NULL AND attempts > 0"))
    eventually(lambda: _is_postponed(made))
    _refuse_requests(made, 0)
    _die_with_a_reply(made, threads["unsent"], "sent_at IS NULL")
    _die(made)


def _must_end(made: Installation, issue: int, outcome: str) -> None:
    run = made.ended(issue, 1)
    assert run["outcome"] == outcome, run


def _has_begun(made: Installation, issue: int) -> bool:
    run = made.rows(
        "SELECT agent_started FROM runs JOIN threads ON key = thread_key WHERE threads.number = :issue",
        issue=issue,
    )
    return bool(run and run[0]["agent_started"])


def _die_with_an_end(made: Installation, issue: int) -> None:
    """Let the agent continue, and make the worker die before it reports the end of the run."""
    task = made.task(issue)["id"]
    _die_at(made, f"SELECT 1 FROM runs WHERE task = '{task}' AND ended_at > 0")
    (made.data / "workspaces" / task / "home" / "go").touch()
    _must_end(made, issue, "pushed")
    eventually(lambda: not made.is_up())


def _die_with_a_reply(made: Installation, issue: int, fact: str, *, before: bool = False) -> None:
    """Send a command; make the worker die when this fact of the reply is committed, or just `before` that."""
    found = f"SELECT 1 FROM outbox WHERE kind = 'reply' AND thread_key LIKE '%:{issue}' AND {fact}"
    _die_at(made, found, before=before)
    made.say(issue, "/status")
    eventually(lambda: not made.is_up())


def _die_at(made: Installation, sql: str, *, before: bool = False) -> None:
    """Make the worker die after it has committed a row that this statement finds, or just before."""
    order = made.folder / "die-at"
    order.with_suffix(".new").write_text(json.dumps({"sql": sql, "before": before, "later": 0}))
    order.with_suffix(".new").rename(order)


def _refuse_requests(made: Installation, seconds: float) -> None:
    """Make the forge refuse all requests of the bot, except git's, for this many seconds."""
    limit = {"login": made.about["bot_name"], "seconds": seconds}
    made.ask("POST", "/_playground/rate-limit", limit)


def _restart_worker(made: Installation, bot: "subprocess.Popen[bytes]") -> None:
    """Start another worker in place of the dead one."""
    bot.send_signal(signal.SIGUSR1)
    eventually(made.is_up)


def _is_postponed(made: Installation) -> bool:
    """Check that nothing can be sent soon, except rows that wait for other rows."""
    waits = {"final", "progress"}
    return all(row["kind"] in waits or row["due_at"] > time.time() + UNAVAILABLE / 2 for row in made.unsent())


def _die(made: Installation) -> None:
    """Kill the bot, the forge and the containers at once, without an orderly shutdown."""
    while made.processes:
        process = made.processes.pop()
        process.kill()
        process.wait(30)
    eventually(lambda: not made.is_up())
    made.remove_containers()
    # SQLite then merges its journal into the ledger, which saves nine tenths of the space
    made.engine.dispose()


def _dump(url: str) -> str:
    """Return the ledger as statements that any version of PostgreSQL accepts."""
    command = ["pg_dump", "--inserts", "--no-owner", "--no-privileges", url]
    dumped = subprocess.run(command, check=True, capture_output=True, text=True, env=CLOSED).stdout
    own = ("--", "\\", "SET ", "SELECT pg_catalog.set_config(")
    return "".join(
        line for line in dumped.splitlines(keepends=True) if line.strip() and not line.startswith(own)
    )


def _pack(made: Installation, archive: Path) -> None:
    parts = [name for name in ("data", "forge", "ledger.sql") if (made.folder / name).exists()]
    # Hooks contain a path of this machine, and only a forge with protected branches runs them.
    how = ["--numeric-owner", "--sort=name", "--exclude=hooks", "--use-compress-program=gzip -9n"]
    subprocess.run(["tar", "-cf", str(archive.absolute()), *how, *parts], cwd=made.folder, check=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]).absolute(), Path(sys.argv[2]))
