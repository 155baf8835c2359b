"""Runs of a workshop that have ended, with the same traces in ledger, quarantine and folder as real ones.

No agent works in them, because an agent takes most of a test's time: tests of later steps need only
the traces of a run.
"""

import shutil
import threading

from bot.domain.lifecycle import Phase
from bot.domain.outcomes import ENDINGS, Outcome
from bot.domain.task import Run
from bot.runs.leased_run import LeasedRun, take_up
from bot.runs.phases.finish import finish
from bot.runs.phases.prepare import prepare
from bot.store import leases
from tests.support.cli_sandbox import LONG
from tests.support.worker_bench import Workshop

# The agent of `lost` commits one file and does not commit another.
WORK = "echo 1 > one; git add one; git commit -qm one; echo 2 > two"

_LIKE_AN_AGENT = (
    "export HOME=/home/agent GIT_AUTHOR_NAME=agent GIT_AUTHOR_EMAIL=agent@localhost "
    "GIT_COMMITTER_NAME=agent GIT_COMMITTER_EMAIL=agent@localhost "
    "GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=safe.directory GIT_CONFIG_VALUE_0=/workspace"
)


def begun(shop: Workshop) -> LeasedRun:
    """Add a new task whose agent has begun, with its prepared workspace: nothing is exported."""
    leased = _taken_up(shop)
    prepare(leased, shop.runtime.workspaces())
    return _begun(leased)


def ended(shop: Workshop, outcome: Outcome = Outcome.NO_CHANGES, *files: str) -> Run:
    """Add a new task whose run has this outcome. Its export found no commit; `files` are in its workspace."""
    leased = begun(shop)
    at = shop.runtime.quarantine(leased.task.id) / "refs" / "checked" / leased.run.id
    at.parent.mkdir(parents=True, exist_ok=True)
    at.write_text(f"{leased.task.base_head}\n")
    leased.record(checked_head=leased.task.base_head)
    return _ended(shop, leased, outcome, *files)


def unexported(shop: Workshop, *files: str) -> Run:
    """Add a new task whose run is lost, with `files` in a clone at its base: they are not exported."""
    return _ended(shop, begun(shop), Outcome.LOST, *files)


def damaged(shop: Workshop) -> Run:
    """Add a new task whose run is lost, with a workspace without a .git: it cannot be exported."""
    leased = begun(shop)
    shutil.rmtree(shop.runtime.data.workspace(leased.task.id) / "repo" / ".git")
    return _ended(shop, leased, Outcome.LOST)


def lost(shop: Workshop, script: str = WORK) -> Run:
    """Add a new task whose run is lost after this script of its agent: nothing of it is exported."""
    leased, places, engine = _taken_up(shop), shop.runtime.workspaces(), shop.runtime.engine
    mirror = prepare(leased, places)
    quarantine = shop.runtime.quarantine(leased.task.id)
    engine.tool(
        name=leased.sandbox,
        image=shop.runtime.image,
        script=f"set -e; cd /workspace; {_LIKE_AN_AGENT}; {script}",
        args=[],
        mounts=places.mounts(leased.task.id, leased.run.number, mirror.path, quarantine),
        seconds=LONG,
    )
    return _ended(shop, _begun(leased), Outcome.LOST)


def _taken_up(shop: Workshop) -> LeasedRun:
    leased = take_up(shop.runtime, shop.claimed(), threading.Event())
    leased.enter(Phase.PREPARE)
    return leased


def _begun(leased: LeasedRun) -> LeasedRun:
    leased.enter(Phase.AGENT)
    with leased.runtime.ledger.write() as tx:
        leases.write(tx, leased.lease, agent_started=True)
    return leased


def _ended(shop: Workshop, leased: LeasedRun, outcome: Outcome, *files: str) -> Run:
    for name in files:
        (shop.runtime.data.workspace(leased.task.id) / "repo" / name).write_text("1\n")
    finish(leased, outcome, "", ENDINGS[outcome].next)
    return shop.now(leased.run)
