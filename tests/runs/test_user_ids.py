"""Each task's containers have a user id of their own."""

import errno
import threading
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
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
libc = ctypes.CDLL(None, use_errno=True)
count = 0
while libc.inotify_init() >= 0: count += 1
print("took", count, ctypes.get_errno(), flush=True)
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
@pytest.mark.parametrize("harm", [Path.unlink, partial(Path.write_text, data="")], ids=["none", "empty"])
def test_a_workspace_without_a_record_of_its_id_keeps_that_of_its_files(
    shop: Workshop, harm: Callable[[Path], object]
) -> None:
    """Workspaces from before have no record, and the settings may have changed since."""
    other, before = [shop.done("echo 1 >one; exit 3") for _ in range(2)]
    folder, uid = shop.runtime.data.workspace(before.task), shop.runtime.worker.uids[1]
    harm(folder / "uid")
    with shop.runtime.ledger.write() as tx:
        tx.execute(update(schema.workspaces).values(uid=None))
    assert (folder / "repo" / "one").stat().st_uid == uid

    after = resumed(shop, before, WHO)

    assert after.outcome is Outcome.PUSHED
    assert shop.saved(after, "checked", "who").startswith(f"{uid} {uid} agent ")
    for run in (other, after):
        end_retention(shop, run)
    run_janitor(shop)
    assert folders(shop) == set()


def test_one_sandbox_cannot_take_the_limits_of_another(shop: Workshop) -> None:
    greedy = shop.claimed()
    with shop.busy(shop.agent(TAKES_ALL), greedy) as stopping:
        until(lambda: shop.printed(greedy).endswith(b"\n"))
        _, count, code = shop.printed(greedy).split()
        assert int(code) == errno.EMFILE
        assert int(count) < 16_000, "it had no more file descriptors, and inotify was not used up"

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
