"""The end of a run in the ledger: its outcome, its task, its workspace's retention and its messages.

All of it is one transaction: a run that has ended has its messages in the outbox.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from sqlalchemy import Connection

from bot.domain.change import CheckState, NewChange
from bot.domain.lifecycle import Phase, State
from bot.domain.outcomes import ENDINGS, Outcome
from bot.domain.task import Run, Task, is_confidential
from bot.domain.thread import Kind
from bot.forges.forge import Forge
from bot.reports import change_text, final_comment, living_comment, outbox_messages
from bot.reports.command_syntax import reference
from bot.reports.final_comment import EndedRun
from bot.reports.outbox_messages import LabelMessage, Message, ProgressMessage, StatusMessage
from bot.runs.last_lines import last_lines
from bot.runs.leased_run import LeasedRun
from bot.runs.runtime import Runtime
from bot.sandbox.export import protected_paths
from bot.store import costs, leases, patches, runs, tasks, workspaces
from bot.store.ledger import clock
from bot.tasks import enqueue, retention

# The commit may be another person's: a run of ours that failed says nothing about it.
_CHECKS = {
    State.SUCCEEDED: CheckState.SUCCESS,
    State.WAITING: CheckState.PENDING,
    State.FAILED: CheckState.ERROR,
    State.CANCELLED: CheckState.ERROR,
}
_LONGEST_LIMIT = 8 * 86400.0  # seconds; the longest limit of a provider is a week


def finish(leased: LeasedRun, outcome: Outcome, reason: str, next_command: str) -> None:
    """End the run and its task, and fill the outbox. Raises LeaseLost, having changed nothing."""
    state, runtime = ENDINGS[outcome].state, leased.runtime
    output = last_lines(leased, runtime.output_lines) if state is State.FAILED else ""
    with runtime.ledger.write() as tx:
        leases.enter(tx, leased.lease, Phase.REPORT)
        leases.end(tx, leased.lease, outcome, state, reason)
        tasks.change_state(tx, leased.task.id, state)
        retention.from_now(tx, leased.task.id, state)
        run, task = runs.get(tx, leased.run.id), tasks.get(tx, leased.task.id)
        if (continues_at := _continues_at(tx, leased, run)) is not None:
            enqueue.after_limit(tx, task, run, continues_at)
        forge = runtime.forge_of(task)
        if forge is not None and task.thread.kind is not Kind.CLI:
            ended = _ended(tx, runtime, forge, run, task, next_command=next_command)
            ended = replace(ended, continues_at=continues_at, output=output)
            for message in _messages(ended, runtime):
                outbox_messages.put(tx, message, subject=run.id, thread_key=run.thread_key)
    runtime.nudges.report(leased.task.thread_key)


def _continues_at(tx: Connection, leased: LeasedRun, run: Run) -> float | None:
    """Return when the task continues by itself, in seconds since the epoch; None if it does not.

    It does once, after a provider's limit whose end is known, if its agent is set up so.
    """
    agent = leased.runtime.agents.get(leased.task.agent)
    if run.outcome is not Outcome.RATE_LIMITED or run.limited_until is None or run.cancel_asked:
        return None
    if agent is None or not agent.resumes_after_limit or run.cause.startswith(enqueue.AUTO):
        return None
    now = clock(tx)
    return max(now, run.limited_until) if run.limited_until <= now + _LONGEST_LIMIT else None


def _ended(
    tx: Connection, runtime: Runtime, forge: Forge, run: Run, task: Task, *, next_command: str
) -> EndedRun:
    workspace = workspaces.get(tx, task.id)
    is_here = workspace is not None and workspace.removed_at is None and workspace.host == run.host
    [newest] = tasks.of_thread(tx, task.thread_key, 1)
    earlier = [each for each in runs.of_task(tx, task.id) if each.number < run.number]
    is_push = run.first_phase is Phase.PUSH
    patch = patches.newest(tx, task.id)
    return EndedRun(
        run=_with_report_of_agent(run, earlier) if is_push else run,
        task=task,
        pages=forge.pages(task.thread),
        page=runtime.page(task.id),
        next_command=next_command,
        newest=newest.id == task.id,
        workspace_until=workspace.keep_until if workspace and is_here else None,
        started_over=workspaces.is_recreated(tx, run, workspace),
        host_lost=workspace is not None and workspace.lost,
        spent=costs.of_run(tx, run),
        patch=patch if patch and (is_push or patch.number == run.number) else None,
        approved=is_push and bool(earlier) and earlier[-1].outcome is Outcome.HELD,
        why_protected=protected_paths.reason,
    )


def _with_report_of_agent(run: Run, earlier: Sequence[Run]) -> Run:
    """Return a run that only pushed with the summary and the title of the agent whose work it pushed."""
    last = next((each for each in reversed(earlier) if each.agent_started), run)
    return replace(run, summary=run.summary or last.summary, title=run.title or last.title)


def _messages(ended: EndedRun, runtime: Runtime) -> Iterator[Message]:
    """Yield every message about the end of a run."""
    run, task, labels, secrets = ended.run, ended.task, runtime.result_labels, runtime.secrets
    description = final_comment.in_short(run, ended.patch)
    for commit in _status_commits(task):
        yield StatusMessage(commit=commit, state=_CHECKS[task.state], description=description)
    is_wanted = task.change_form in ("draft", "ready")
    if run.outcome is Outcome.PUSHED and is_wanted and task.change_number is None:
        yield _change(ended, runtime)
    for label in sorted(set(labels.values())):
        yield LabelMessage(label=label, on=labels.get(task.state) == label)
    yield ProgressMessage(text=living_comment.over(run, task), ended=True)
    yield final_comment.final(ended, secrets)


def _change(ended: EndedRun, runtime: Runtime) -> NewChange:
    run, task = ended.run, ended.task
    closes = runtime.closes_issues and task.thread.kind is Kind.ISSUE and not is_confidential(task, run)
    return NewChange(
        head_branch=task.branch,
        base_branch=task.base,
        title=change_text.title(run, task),
        body=change_text.body(run, task, ended.page, secrets=runtime.secrets),
        draft=task.change_form == "draft",
        closes=reference(task.thread) if closes else "",
    )


def _status_commits(task: Task) -> set[str]:
    """Return the commits that get a status: the last pushed one, and on a change the head it had."""
    commits = {task.pushed_head}
    if task.thread.kind is Kind.CHANGE:
        commits.add(task.pinned)
    return commits - {""}
