"""The facts that the export of a run needs."""

from dataclasses import replace
from pathlib import Path

import pytest

from bot.git.bare_repository import make_bare
from bot.git.mirror import Mirror
from bot.runs.phases.export import export_plan
from bot.store.ledger import Ledger
from tests.support.fakes import FakeForge
from tests.support.rows import a_thread, add_run, add_task
from tests.support.runtimes import a_runtime


@pytest.mark.parametrize(("forge", "address"), [("github", "7+ann"), ("gitlab", "7-ann")])
def test_the_co_author_is_the_requester_with_the_private_address_of_the_forge(
    sqlite_ledger: Ledger, tmp_path: Path, forge: str, address: str
) -> None:
    runtime, mirror = a_runtime(sqlite_ledger, FakeForge(name=forge)), Mirror(tmp_path / "m.git")
    make_bare(mirror.path)
    with sqlite_ledger.write() as tx:
        task = add_task(tx, replace(a_thread(), forge=forge))
        run = add_run(tx, task)

    plan = export_plan(runtime, task, run, mirror)

    assert plan.co_author == f"ann <{address}@users.noreply.github.com>"
