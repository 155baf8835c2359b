"""How a run ends in the ledger: outcome, task, keep, and what must be told. One transaction."""

from typing import Any

from sqlalchemy import Connection

from bot import comments, keep, line
from bot.attempt import Attempt
from bot.forges.forge import Forge, Verdict
from bot.model import ENDINGS, Kind, Outcome, Phase, Run, State, Task, is_confidential, next_command
from bot.store import costs, leases, outbox, runs, tasks, workspaces
from bot.store.ledger import clock
from bot.store.outbox import Outgoing, Wanted

_LONGEST_LIMIT = 8 * 86400.0  # seconds: past the longest limit of a provider, a week, nobody waits by himself


def settle(attempt: Attempt, outcome: Outcome, reason: str, say_next: str) -> None:
    """End the run and its task, and fill the outbox. Raises LeaseLost, having changed nothing."""
    state = ENDINGS[outcome].state
    with attempt.house.ledger.write() as tx:
        leases.enter(tx, attempt.lease, Phase.REPORT)
        leases.end(tx, attempt.lease, outcome, state, reason)
        tasks.change_state(tx, attempt.task.id, state)
        keep.from_now(tx, attempt.task.id, state)
        run, task = runs.get(tx, attempt.run.id), tasks.get(tx, attempt.task.id)
        if (due_at := _goes_on_at(tx, attempt, run)) is not None:
            line.after_limit(tx, task, run, due_at)
        forge = attempt.house.forge_of(task)
        if forge is not None and task.thread.kind is not Kind.CLI:
            _tell(tx, attempt, forge, run=run, task=task, say_next=say_next, due_at=due_at)
    attempt.house.nudges.report(attempt.task.thread_key)


def _goes_on_at(tx: Connection, attempt: Attempt, run: Run) -> float | None:
    """When this run is tried again by itself: once, after a limit whose end is known. None: it is not."""
    agent = attempt.house.agents.get(attempt.task.agent)
    if run.outcome is not Outcome.RATE_LIMITED or run.limited_until is None or run.cancel_asked:
        return None
    if agent is None or not agent.resumes_after_limit or run.cause.startswith(line.AUTO):
        return None
    now = clock(tx)
    return max(now, run.limited_until) if run.limited_until <= now + _LONGEST_LIMIT else None


def _tell(
    tx: Connection,
    attempt: Attempt,
    forge: Forge,
    *,
    run: Run,
    task: Task,
    say_next: str,
    due_at: float | None,
) -> None:
    page, secrets = attempt.house.page(task.id), attempt.house.secrets
    verdict = Verdict.SUCCESS if task.state is State.SUCCEEDED else Verdict.FAILURE
    for sha in _status_heads(task):
        _want(tx, run, Outgoing.STATUS, {"verdict": verdict, "description": comments.in_short(run)}, sha)
    if run.outcome is Outcome.PUSHED and task.change in ("draft", "ready") and task.change_number is None:
        body = comments.change_body(run, task, page, secrets=secrets)
        _want(tx, run, Outgoing.CHANGE, _change(run, task, body))
    worn = attempt.house.result_labels
    for label in sorted(set(worn.values())):
        _want(tx, run, Outgoing.LABEL, {"on": worn.get(task.state) == label}, label)
    _want(tx, run, Outgoing.PROGRESS, {"text": comments.over(run, task)})
    kept = workspaces.get(tx, task.id)
    [last] = tasks.of_thread(tx, task.thread_key, 1)
    newest = last.id == task.id
    also = ENDINGS[run.outcome].also if run.outcome else ""
    lead, rest = comments.final(
        run,
        task,
        forge.pages(task.thread),
        kept_until=kept.keep_until if kept and kept.removed_at is None and kept.host == run.host else None,
        started_over=workspaces.is_made_again(tx, run),
        lost=kept is not None and kept.lost,
        say_next=next_command(say_next, task, newest=newest),
        also=next_command(also, task, newest=newest) if also else "",
        secrets=secrets,
        spent=costs.of_run(tx, run),
    )
    if due_at is not None:
        rest += f"\n\n{comments.after_limit(due_at, next_command('/cancel', task, newest=newest))}"
    _want(tx, run, Outgoing.FINAL, {"lead": lead, "rest": f"{rest}\n\n[Page and log of this task]({page})"})


def _change(run: Run, task: Task, body: str) -> dict[str, Any]:
    title = task.thread.title if task.thread.kind is Kind.ISSUE else run.request.split("\n", 1)[0]
    return {
        "head": task.branch,
        "base": task.base,
        "title": f"Task {task.id}" if is_confidential(task, run) else title,
        "body": body,
        "draft": task.change == "draft",
    }


def _status_heads(task: Task) -> set[str]:
    """On a change its head and what was pushed; on an issue what was pushed, if anything ever was."""
    heads = {task.pushed_head}
    if task.thread.kind is Kind.CHANGE:
        heads.add(task.pinned)
    return heads - {""}


def _want(tx: Connection, run: Run, kind: Outgoing, content: dict[str, Any], target: str = "") -> None:
    outbox.want(
        tx, Wanted(subject=run.id, kind=kind, thread_key=run.thread_key, content=content, target=target)
    )
