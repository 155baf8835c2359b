"""What the export of a run has to know: where its work begins, what was trusted before, whose it is."""

from bot.domain.task import Run, Task, is_confidential
from bot.forges.table import FORGES
from bot.git.mirror import Mirror
from bot.runs.leased_run import LeasedRun
from bot.sandbox.export import take
from bot.sandbox.export.protected_paths import INSTRUCTIONS, pathspecs
from bot.sandbox.workspace import Workspaces
from bot.store.shared_keys import run_token


def export_plan(leased: LeasedRun, places: Workspaces, source: Mirror) -> take.ExportPlan:
    """What export must know of the task and of this run."""
    task, run, runtime = leased.task, leased.run, leased.runtime
    quarantine = runtime.quarantine(task.id)
    return take.ExportPlan(
        task=task.id,
        run=run.id,
        name=leased.helper("export"),
        workspace_mounts=places.mounts(task.id, run.number, source.path, quarantine),
        mirror=source.path,
        quarantine=quarantine,
        base_head=task.base_head,
        checked_head=task.checked_head,
        shown=source.retained_heads(task.id),
        trusted_head=task.approved_head or task.pushed_head or _trusted_base(task, source),
        unchanged_from=task.pushed_head or task.base_head,
        succeeded=run.agent_outcome is None,
        author=runtime.identity,
        co_author=_co_author(leased),
        title=_title(task, run),
        secrets=[*runtime.secrets, run_token(runtime.link_key, run.id)],
        restored_paths=pathspecs(INSTRUCTIONS) if task.pinned else (),
        check=leased.check,
    )


def _trusted_base(task: Task, source: Mirror) -> str:
    """Where the work begins that a person may have to approve: a fork's own commits count."""
    return source.merge_base(task.base_head, task.base) if task.fork else task.base_head


def _title(task: Task, run: Run) -> str:
    """Of a commit that has no words of its own. Everybody who sees the branch reads it."""
    return f"Task {task.id}" if is_confidential(task, run) else run.request.strip().split("\n", 1)[0]


def _co_author(leased: LeasedRun) -> str:
    """Who asked, by the address that forges hide people's own behind."""
    person, forge = leased.run.asked_by, leased.runtime.forge_of(leased.task)
    if forge is None or leased.by_operator:
        return ""
    thread = leased.task.thread
    host = thread.repository_url.split("/")[2].split(":")[0]
    return f"{person.login} <{FORGES[thread.forge].noreply_address(person, host)}>"
