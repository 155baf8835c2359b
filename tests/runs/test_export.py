"""What the export of a run is told."""

import threading
from dataclasses import replace
from pathlib import Path

import pytest

from bot.git.bare_repository import make_bare
from bot.git.mirror import Mirror
from bot.runs.leased_run import LeasedRun
from bot.runs.phases.export import export_plan
from bot.store.ledger import Ledger
from tests.support.fakes import FakeForge
from tests.support.rows import a_thread, add_run, add_task
from tests.support.runtimes import a_runtime


@pytest.mark.parametrize(("forge", "address"), [("github", "7+ann"), ("gitlab", "7-ann")])
def test_who_asked_is_named_by_the_address_that_hides_their_own(
    sqlite_ledger: Ledger, tmp_path: Path, forge: str, address: str
) -> None:
    runtime, mirror = a_runtime(sqlite_ledger, FakeForge(name=forge)), Mirror(tmp_path / "m.git")
    make_bare(mirror.path)
    with sqlite_ledger.write() as tx:
        task = add_task(tx, replace(a_thread(), forge=forge))
        leased = LeasedRun(runtime, add_run(tx, task), task, threading.Event())

    plan = export_plan(leased, runtime.workspaces(), mirror)

    assert plan.co_author == f"ann <{address}@users.noreply.github.com>"
