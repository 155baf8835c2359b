"""The removal of a workspace. Work that was never exported goes into the quarantine first.

The folder is moved away in the transaction that claims the workspace. So a run of the
task that starts at that moment finds either the whole workspace or none.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

from bot.domain.errors import BotError, NotPossible
from bot.domain.interrupt import Check, uninterrupted
from bot.domain.task import Run, Task
from bot.git.mirror import Mirror
from bot.git.run import Objects
from bot.runs.failover import with_heads_of_host
from bot.runs.phases.export import export_plan
from bot.runs.removal_attempt import Terms, TooSlow, attempted
from bot.runs.runtime import Runtime
from bot.sandbox import container_names
from bot.sandbox.container_names import RunContainer
from bot.sandbox.export import workspace_export
from bot.store import runs as run_rows
from bot.store import tasks as task_rows
from bot.store import workspaces

RESCUE = "rescue"  # purpose of the export's container, in its name
# Decides, by the error of the export, whether the workspace is removed without an export.
RemoveAnyway = Callable[[Exception], bool]
# Called with the error of the export, once the workspace is removed without one.
ReportLoss = Callable[[Exception], None]


class NotExported(BotError):
    """The workspace stays because its work could not be exported. The reason is `__cause__`."""


def _no_report(_: Exception) -> None:
    pass


def export_and_remove(
    runtime: Runtime,
    task_id: str,
    terms: Terms,
    remove_anyway: RemoveAnyway,
    report_loss: ReportLoss = _no_report,
) -> str | None:
    """Export unexported work, and remove the workspace; return the new checked head, "" if there is none.

    Returns None if the workspace stays: another attempt is in progress, it is stuck, a run waits for it or
    works in it, or it is gone already. Raises NotExported, TooSlow, the errors of the check of `terms`, and
    BotError or OSError if the files cannot be removed yet.
    """
    return _remove(
        runtime,
        task_id,
        terms,
        remove_anyway,
        report_loss,
        lambda exported: _claim(runtime, task_id, exported),
    )


def remove_leftover(
    runtime: Runtime,
    task_id: str,
    terms: Terms,
    remove_anyway: RemoveAnyway,
    report_loss: ReportLoss = _no_report,
) -> str | None:
    """Export and remove a folder that the ledger does not list as a workspace of this host.

    Returns and raises what `export_and_remove` does.
    """
    with runtime.ledger.read() as tx:
        is_known = task_rows.exists(tx, task_id)
    # Of a task that the ledger does not know, nothing can be exported.
    terms = replace(terms, export=terms.export and is_known)
    return _remove(
        runtime, task_id, terms, remove_anyway, report_loss, lambda _: _set_aside_leftover(runtime, task_id)
    )


def _remove(
    runtime: Runtime,
    task_id: str,
    terms: Terms,
    remove_anyway: RemoveAnyway,
    report_loss: ReportLoss,
    set_aside: Callable[[str], str | None],
) -> str | None:
    """Export the work, set the folder aside with `set_aside`, which gets the new head, and remove it."""
    with attempted(runtime, task_id, terms) as check:
        if check is None:
            return None
        exported, lost = _export(runtime, task_id, check, remove_anyway) if terms.export else ("", None)
        folder = set_aside(exported)
    if folder is None:
        return None
    if lost is not None:  # reported before the files are removed: that may fail, and is then done later
        report_loss(lost)
    remove_set_aside(runtime, folder, terms)
    return exported


def remove_set_aside(runtime: Runtime, folder: str, terms: Terms) -> bool:
    """Remove a folder that was set aside, and return True; "" stands for a missing folder.

    Returns False if another attempt is in progress or the folder is stuck. Raises what
    `export_and_remove` raises.
    """
    if not folder:
        return True
    with attempted(runtime, folder, terms) as check:
        if check is None:
            return False
        runtime.workspaces().clear_away(folder, check=check, seconds=terms.seconds)
    return True


def rescue(runtime: Runtime, task_id: str, check: Check = uninterrupted) -> str:
    """Export work that was never exported; return the new checked head, "" if there was none.

    Commits go to refs/checked/<run>, uncommitted files to refs/wip/<run>, as after a failed run. Raises
    BotError or OSError if the export fails, and the errors of `check`.
    """
    with runtime.ledger.read() as tx:
        task = task_rows.get(tx, task_id)
        run = run_rows.last_with_agent(tx, task_id, runtime.worker.host)
    if run is None or not runtime.workspaces().has(task_id):
        return ""
    mirror = runtime.mirror(task)
    if workspace_export.is_done(runtime.quarantine(task_id), run.id):
        return _exported_before(runtime, task, run, mirror)
    # If the task continued on another host, some of its heads are not on this one.
    plan = export_plan(runtime, with_heads_of_host(runtime, task, mirror), run, mirror)
    name = container_names.make(RunContainer(run.id, run.epoch, RESCUE))
    plan = replace(plan, name=name, succeeded=False, check=check)
    return workspace_export.export_work(runtime.engine, runtime.tools_image, plan).head


def _exported_before(runtime: Runtime, task: Task, run: Run, mirror: Mirror) -> str:
    """Return the head of an earlier rescue whose process died before it recorded the head; else ""."""
    quarantine = runtime.quarantine(task.id)
    head = (quarantine / "refs" / "checked" / run.id).read_text().strip()
    known = task.checked_head or task.base_head
    objects = Objects(quarantine, (mirror.path,))
    if head == known or not workspace_export.has(quarantine, mirror.path, known):
        return ""
    return head if objects.is_ancestor(known, head) else ""


def _export(
    runtime: Runtime, task_id: str, check: Check, remove_anyway: RemoveAnyway
) -> tuple[str, Exception | None]:
    """Return the new checked head. If the workspace goes without an export, return "" and the error."""
    try:
        return rescue(runtime, task_id, check), None
    except NotPossible:
        raise
    except (BotError, OSError) as error:
        if isinstance(error, TooSlow) and not error.is_final:
            raise
        if not remove_anyway(error):
            raise NotExported(str(error)) from error
        return "", error


def _claim(runtime: Runtime, task_id: str, exported: str) -> str | None:
    """Claim an unused workspace and set its folder aside; return the folder's new name, "" if it was missing.

    Returns None if a run waits for the workspace or works in it, or if it is gone already.
    """
    with runtime.ledger.read() as tx:
        mirror = runtime.mirror(task_rows.get(tx, task_id))
    with runtime.ledger.write() as tx:
        if not workspaces.claim_removal(tx, task_id):
            return None
        if exported:  # a resume continues from there
            task_rows.write(tx, task_id, checked_head=exported)
        if mirror.path.exists():
            mirror.release_heads(task_id)
        return runtime.workspaces().set_aside(task_id)


def _set_aside_leftover(runtime: Runtime, task_id: str) -> str | None:
    """Set aside a folder without a workspace in the ledger; return its new name, "" if it was missing.

    Returns None if a run has made a workspace of it meanwhile.
    """
    with runtime.ledger.write() as tx:
        row = workspaces.lock(tx, task_id)
        if row is not None and row.removed_at is None and row.host == runtime.worker.host:
            return None
        with suppress(NotPossible):  # the mirror retains nothing for a task that the ledger does not know
            mirror = runtime.mirror(task_rows.get(tx, task_id))
            if mirror.path.exists():
                mirror.release_heads(task_id)
        return runtime.workspaces().set_aside(task_id)
