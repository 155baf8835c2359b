"""Each task's containers have a user id of their own."""

import threading
from dataclasses import replace

from sqlalchemy import update

from bot.domain.outcomes import Outcome
from bot.domain.task import Run
from bot.runs.execute import execute
from bot.store import schema, workspaces
from bot.tasks.operator import resume_from_cli
from tests.runs.janitor_runs import end_retention, folders, run_janitor
from tests.support.inodes import needs_root
from tests.support.worker_bench import Workshop, until

WHO = 'echo "$(id -u) $(id -g) $(id -un) $(id -gn) $HOME" >>who; id >"$HOME/name"'
# Takes all instances of inotify that its user may have.
TAKES_ALL = """
python3 -c '
import ctypes, time
libc = ctypes.CDLL(None)
while libc.inotify_init() >= 0: pass
print("begun", flush=True)
time.sleep(300)
'
"""
TAKES_ONE = "python3 -c 'import ctypes; print(ctypes.CDLL(None).inotify_init() >= 0)'"


def uid_of(shop: Workshop, run: Run) -> int | None:
    with shop.runtime.ledger.read() as tx:
        row = workspaces.get(tx, run.task)
    return row.uid if row else None


def resumed(shop: Workshop, run: Run, script: str) -> Run:
    with shop.runtime.ledger.write() as tx:
        resume_from_cli(tx, run.task, "go on")
    again = shop.next()
    assert again is not None
    execute(shop.agent(script), again, threading.Event())
    return shop.now(again)


def test_every_task_works_with_an_id_of_its_own_from_its_start_to_its_removal(shop: Workshop) -> None:
    runs = [shop.done(WHO) for _ in range(2)]
    runs.append(resumed(shop, runs[0], WHO))

    first, second = shop.runtime.worker.uids[:2]
    assert [run.outcome for run in runs] == [Outcome.PUSHED] * 3
    assert [uid_of(shop, run) for run in runs] == [first, second, first]
    line = "{0} {0} agent agent /home/agent\n"
    assert shop.saved(runs[1], "checked", "who") == line.format(second)
    assert shop.saved(runs[2], "checked", "who") == line.format(first) * 2
    name = shop.runtime.data.workspace(runs[1].task) / "home" / "name"
    assert name.stat().st_uid == second
    for run in runs:
        end_retention(shop, run)
    run_janitor(shop)
    assert folders(shop) == set()


@needs_root
def test_a_workspace_from_before_keeps_its_id(shop: Workshop) -> None:
    before = shop.done("echo 1 >one; exit 3")
    folder = shop.runtime.data.workspace(before.task)
    (folder / "uid").unlink()
    with shop.runtime.ledger.write() as tx:
        tx.execute(update(schema.workspaces).values(uid=None))
    assert (folder / "repo" / "one").stat().st_uid == 10001

    after = resumed(shop, before, WHO)

    assert after.outcome is Outcome.PUSHED
    assert shop.saved(after, "checked", "who").startswith("10001 10001 ")
    end_retention(shop, after)
    run_janitor(shop)
    assert folders(shop) == set()


def test_one_sandbox_cannot_take_the_limits_of_another(shop: Workshop) -> None:
    greedy = shop.claimed()
    with shop.busy(shop.agent(TAKES_ALL), greedy) as stopping:
        until(lambda: b"begun" in shop.printed(greedy))

        other = shop.done(TAKES_ONE)

        assert shop.printed(other) == b"True\n"
        stopping.set()


def test_with_one_id_for_all_there_is_none_for_a_task(shop: Workshop) -> None:
    runtime = replace(shop.agent(WHO), worker=replace(shop.runtime.worker, uids=()))
    run = shop.claimed()

    execute(runtime, run, threading.Event())

    assert uid_of(shop, run) is None
    assert shop.saved(run, "checked", "who").startswith("10001 10001 ")
    assert not runtime.data.users.exists()
