"""A workspace leaves the disk; what was never taken out of it goes into the quarantine first.

The folder is moved away inside the transaction that claims it, so that a run of
the task which begins at that moment finds the workspace whole, or none at all.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

from bot.domain.errors import BotError, NotPossible
from bot.domain.interrupt import Check, uninterrupted
from bot.domain.task import Run, Task
from bot.git.mirror import Mirror
from bot.git.run import Objects
from bot.runs.failover import as_far_as_here
from bot.runs.phases.export import export_plan
from bot.runs.removal_attempt import Terms, TooSlow, attempted
from bot.runs.runtime import Runtime
from bot.sandbox import container_names
from bot.sandbox.container_names import RunContainer
from bot.sandbox.export import take
from bot.store import runs as run_rows
from bot.store import tasks as task_rows
from bot.store import workspaces

RESCUE = "rescue"  # the last part of the name of its container
# Told why the export failed; whether the workspace goes all the same.
Refused = Callable[[Exception], bool]


class NotExported(BotError):
    """The workspace stays because its work could not be exported. The reason is `__cause__`."""


def export_and_remove(runtime: Runtime, task_id: str, terms: Terms, refused: Refused) -> str | None:
    """Export what only the workspace has, and take it off the disk; the id the export ended in, or "".

    None: the workspace stays, because another attempt is under way, it is stuck, a run waits for it or
    works in it, or it is gone already. Raises NotExported, TooSlow, what the check of `terms` raises, and
    BotError or OSError if the files cannot be removed yet.
    """
    with attempted(runtime, task_id, terms) as check:
        if check is None:
            return None
        rescued = _exported(runtime, task_id, check, refused) if terms.export else ""
        folder = _claim(runtime, task_id, rescued)
    if folder is None:
        return None
    clear_away(runtime, folder, terms)
    return rescued


def clear(runtime: Runtime, task_id: str, terms: Terms, refused: Refused) -> str | None:
    """As `export_and_remove`, for the folder of a task that belongs to no workspace of this host."""
    with attempted(runtime, task_id, terms) as check:
        if check is None:
            return None
        try:
            rescued = _exported(runtime, task_id, check, refused) if terms.export else ""
        except NotPossible:  # the ledger does not know the task
            rescued = ""
        folder = _set_aside_leftover(runtime, task_id)
    if folder is None:
        return None
    clear_away(runtime, folder, terms)
    return rescued


def clear_away(runtime: Runtime, folder: str, terms: Terms) -> bool:
    """Remove a folder that was set aside. False: not now, as for `export_and_remove`; raises as that."""
    if not folder:
        return True
    with attempted(runtime, folder, terms) as check:
        if check is None:
            return False
        runtime.workspaces().clear_away(folder, check=check, seconds=terms.seconds)
    return True


def rescue(runtime: Runtime, task_id: str, check: Check = uninterrupted) -> str:
    """Export what the last agent left, if its own run did not come to that; the id this ended in.

    "" where nothing was left to take. Commits go to refs/checked/<run>, files that were not committed to
    refs/wip/<run>, as after any run that failed. Raises BotError or OSError where they cannot be taken,
    and what `check` raises.
    """
    with runtime.ledger.read() as tx:
        task = task_rows.get(tx, task_id)
        run = run_rows.last_with_agent(tx, task_id, runtime.worker.host)
    if run is None or not runtime.workspaces().has(task_id):
        return ""
    mirror = runtime.mirror(task)
    if take.is_done(runtime.quarantine(task_id), run.id):
        return _exported_before(runtime, task, run, mirror)
    # A task that went on elsewhere has heads that are not here.
    plan = export_plan(runtime, as_far_as_here(runtime, task, mirror), run, mirror)
    name = container_names.make(RunContainer(run.id, run.epoch, RESCUE))
    plan = replace(plan, name=name, succeeded=False, check=check)
    return take.take(runtime.engine, runtime.tools_image, plan).head


def _exported_before(runtime: Runtime, task: Task, run: Run, mirror: Mirror) -> str:
    """What an earlier rescue ended in, if its process died before the task was told; else ""."""
    quarantine = runtime.quarantine(task.id)
    head = (quarantine / "refs" / "checked" / run.id).read_text().strip()
    known = task.checked_head or task.base_head
    objects = Objects(quarantine, (mirror.path,))
    if head == known or not take.has(quarantine, mirror.path, known):
        return ""
    return head if objects.is_ancestor(known, head) else ""


def _exported(runtime: Runtime, task_id: str, check: Check, refused: Refused) -> str:
    try:
        return rescue(runtime, task_id, check)
    except NotPossible:
        raise
    except (BotError, OSError) as error:
        if isinstance(error, TooSlow) and not error.is_final:
            raise
        if not refused(error):
            raise NotExported(str(error)) from error
    return ""


def _claim(runtime: Runtime, task_id: str, rescued: str) -> str | None:
    """Claim a workspace at rest and set its folder aside; that folder's name, "" if it was not there.

    None: a run waits for the workspace or works in it, or it is gone already.
    """
    with runtime.ledger.read() as tx:
        mirror = runtime.mirror(task_rows.get(tx, task_id))
    with runtime.ledger.write() as tx:
        if not workspaces.claim_removal(tx, task_id):
            return None
        if rescued:  # a resume goes on from there
            task_rows.write(tx, task_id, checked_head=rescued)
        if mirror.path.exists():
            mirror.release_heads(task_id)
        return runtime.workspaces().set_aside(task_id)


def _set_aside_leftover(runtime: Runtime, task_id: str) -> str | None:
    """As `_claim`, for a folder that no row speaks of. None: a run made a workspace of it meanwhile."""
    with runtime.ledger.write() as tx:
        kept = workspaces.lock(tx, task_id)
        if kept is not None and kept.removed_at is None and kept.host == runtime.worker.host:
            return None
        with suppress(NotPossible):  # a task the ledger does not know has nothing kept for it
            mirror = runtime.mirror(task_rows.get(tx, task_id))
            if mirror.path.exists():
                mirror.release_heads(task_id)
        return runtime.workspaces().set_aside(task_id)
