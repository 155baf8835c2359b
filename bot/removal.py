"""A workspace leaves the disk; what was never taken out of it goes into the quarantine first.

The folder is moved away inside the transaction that claims it, so that a run of
the task which begins at that moment finds the workspace whole, or none at all.
"""

import threading
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from bot.attempt import Attempt
from bot.elsewhere import as_far_as_here
from bot.errors import NotPossible
from bot.house import House
from bot.leaving import export_plan
from bot.sandbox import export
from bot.sandbox.mirror import Mirror
from bot.store import runs, tasks, workspaces


def janitors_lock(house: House) -> Path:
    """Held by whoever exports or removes workspaces at rest: one at a time on a data folder."""
    return house.data / "janitor.lock"


def rescue(house: House, task_id: str) -> str:
    """Export what the last agent left, if its own run did not come to that; the id this ended in.

    "" where nothing was left to take. Commits go to refs/checked/<run>, files that were not committed to
    refs/wip/<run>, as after any run that failed. Raises BotError or OSError where they cannot be taken.
    """
    with house.ledger.read() as tx:
        task = tasks.get(tx, task_id)
        run = runs.last_with_agent(tx, task_id, house.worker.host)
    places = house.workspaces()
    if run is None or export.is_done(house.quarantine(task_id), run.id) or not places.has(task_id):
        return ""
    mirror = _mirror(house, task_id)
    # A task that went on elsewhere has heads that are not here.
    attempt = Attempt(house, run, as_far_as_here(house, task, mirror), threading.Event())
    plan = export_plan(attempt, places, mirror)
    plan = replace(plan, name=attempt.helper("rescue"), succeeded=False)
    return export.take(house.engine, house.tools_image, plan).head


def remove(house: House, task_id: str, rescued: str = "") -> bool:
    """Take a workspace at rest off the disk. False: a run waits for it or works in it, or it is gone already.

    `rescued` is what `rescue` said. Raises BotError where its files cannot be removed yet: the sweep will.
    """
    mirror, places = _mirror(house, task_id), house.workspaces()
    with house.ledger.write() as tx:
        if not workspaces.claim_removal(tx, task_id):
            return False
        if rescued:  # a resume goes on from there
            tasks.settle(tx, task_id, checked_head=rescued)
        if mirror.path.exists():
            mirror.release(task_id)
        places.set_aside(task_id)
    places.clear_away(task_id)
    return True


def clear(house: House, task_id: str) -> None:
    """Remove a folder that no row speaks of. Raises BotError."""
    places = house.workspaces()
    with suppress(NotPossible):  # a task the ledger does not know has nothing kept for it
        mirror = _mirror(house, task_id)
        if mirror.path.exists():
            mirror.release(task_id)
    places.set_aside(task_id)
    places.clear_away(task_id)


def _mirror(house: House, task_id: str) -> Mirror:
    with house.ledger.read() as tx:
        return house.mirror(tasks.get(tx, task_id))
