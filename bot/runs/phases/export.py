"""Phase export: take the agent's work out of the workspace, and decide whether it may be pushed."""

from dataclasses import replace

from bot.agents.registry import instruction_files
from bot.domain.error_policy import domain_error
from bot.domain.errors import BotError, LeaseLost
from bot.domain.outcomes import Outcome, RunVerdict
from bot.domain.task import Run, Task, is_confidential
from bot.domain.thread import OPERATOR
from bot.forges.registry import FORGES
from bot.git.mirror import Mirror
from bot.reports.phrases import with_question
from bot.runs.leased_run import LeasedRun
from bot.runs.runtime import Runtime
from bot.sandbox import container_names
from bot.sandbox.container_names import RunContainer
from bot.sandbox.export import workspace_export
from bot.sandbox.export.protected_paths import DEFAULT, pathspecs
from bot.sandbox.export.unexported import sentence
from bot.text.invisible import visible


def export(leased: LeasedRun, source: Mirror) -> RunVerdict:
    """Export the work and record its head; a success means that the head may be pushed.

    Raises BotError if the agent succeeded and its work cannot be exported.
    """
    run = leased.run
    try:
        exported = leased.retry(lambda: _export(leased, source))
    except (BotError, OSError) as raised:
        error = domain_error(raised)
        if not isinstance(error, BotError) or isinstance(error, LeaseLost) or run.agent_outcome is None:
            raise
        reason = f"{run.reason} The agent's work could not be exported: {error}".strip()
        return RunVerdict(run.agent_outcome, reason)
    summary = exported.result.summary or run.summary
    unexported = sentence(exported.unexported)
    landed = run.agent_outcome is None and not exported.question
    left_head = "" if landed else leased.task.left_head
    facts = {"summary": summary, "title": exported.result.title, "unexported": unexported}
    leased.record(facts, checked_head=exported.head, left_head=left_head)
    if run.agent_outcome is None:
        return _verdict(exported)
    question = "" if run.agent_outcome is Outcome.QUESTION else exported.question
    return RunVerdict(run.agent_outcome, with_question(run.reason, question))


def _export(leased: LeasedRun, source: Mirror) -> workspace_export.Exported:
    runtime = leased.runtime
    plan = replace(export_plan(runtime, leased.task, leased.run, source), check=leased.check)
    return workspace_export.export_work(runtime.engine, runtime.tools_image, plan)


def _verdict(exported: workspace_export.Exported) -> RunVerdict:
    if exported.question:
        return RunVerdict(Outcome.QUESTION, exported.question)
    if not exported.changed:
        return RunVerdict(Outcome.NO_CHANGES)
    if exported.protected_paths:
        paths = ", ".join(f"`{visible(path).replace('`', '')}`" for path in exported.protected_paths)
        return RunVerdict(Outcome.HELD, paths)
    return RunVerdict()


def export_plan(runtime: Runtime, task: Task, run: Run, source: Mirror) -> workspace_export.ExportPlan:
    """Collect the facts of a task and a run that its export needs. The plan's check never interrupts."""
    quarantine, files, places = runtime.quarantine(task.id), instruction_files(), runtime.workspaces()
    return workspace_export.ExportPlan(
        task=task.id,
        run=run.id,
        name=container_names.make(RunContainer(run.id, run.epoch, "export")),
        workspace_mounts=places.mounts(task.id, run.number, source.path, quarantine),
        uid=places.uid(task.id),
        mirror=source.path,
        quarantine=quarantine,
        base_head=task.base_head,
        checked_head=task.checked_head,
        shown=source.retained_heads(task.id),
        trusted_head=task.approved_head or task.pushed_head or _trusted_base(task, source),
        unchanged_from=task.pushed_head or task.base_head,
        onto=task.base_head if task.left_head else "",
        succeeded=run.agent_outcome is None,
        author=runtime.identity,
        signoff=runtime.signoff,
        co_author=_co_author(runtime, task, run),
        title=_title(task, run),
        secrets=runtime.secrets,
        rules=workspace_export.Rules(protected_paths=(*DEFAULT, *files)),
        restored_paths=pathspecs(files) if task.pinned else (),
    )


def _trusted_base(task: Task, source: Mirror) -> str:
    """Return the commit since which changes to protected paths need approval.

    For a fork it is the merge base, so that the fork's own commits need approval, too.
    """
    return source.merge_base(task.base_head, task.base) if task.fork else task.base_head


def _title(task: Task, run: Run) -> str:
    """Return the title for a commit without a message. All readers of the branch see it."""
    return f"Task {task.id}" if is_confidential(task, run) else run.request.strip().split("\n", 1)[0]


def _co_author(runtime: Runtime, task: Task, run: Run) -> str:
    """Return the requester with the private mail address that the forge offers; "" for the operator."""
    person, thread = run.asked_by, task.thread
    if runtime.forge_of(task) is None or person == OPERATOR:
        return ""
    host = thread.repository_url.split("/")[2].split(":")[0]
    return f"{person.login} <{FORGES[thread.forge].noreply_address(person, host)}>"
