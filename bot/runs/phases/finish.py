"""How a run ends in the ledger: outcome, task, keep, and what must be told. One transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from sqlalchemy import Connection

from bot.domain.change import CheckState, Pages
from bot.domain.lifecycle import ENDINGS, Outcome, Phase, State
from bot.domain.task import Run, Task, is_confidential
from bot.domain.thread import Kind
from bot.reports import comments
from bot.reports.command_syntax import next_command
from bot.runs.leased_run import LeasedRun
from bot.runs.runtime import Runtime
from bot.store import costs, leases, outbox, runs, tasks, workspaces
from bot.store.ledger import clock
from bot.store.outbox import Outgoing, Wanted
from bot.tasks import enqueue, retention

_LONGEST_LIMIT = 8 * 86400.0  # seconds: past the longest limit of a provider, a week, nobody waits by himself


@dataclass(frozen=True, slots=True, kw_only=True)
class _Over:
    """A run that has ended, where it is shown on its forge, and how it goes on."""

    run: Run
    task: Task
    outcome: Outcome
    pages: Pages
    say_next: str
    due_at: float | None  # by itself, then; None: it does not


def settle(leased: LeasedRun, outcome: Outcome, reason: str, say_next: str) -> None:
    """End the run and its task, and fill the outbox. Raises LeaseLost, having changed nothing."""
    state = ENDINGS[outcome].state
    with leased.runtime.ledger.write() as tx:
        leases.enter(tx, leased.lease, Phase.REPORT)
        leases.end(tx, leased.lease, outcome, state, reason)
        tasks.change_state(tx, leased.task.id, state)
        retention.from_now(tx, leased.task.id, state)
        run, task = runs.get(tx, leased.run.id), tasks.get(tx, leased.task.id)
        if (due_at := _goes_on_at(tx, leased, run)) is not None:
            enqueue.after_limit(tx, task, run, due_at)
        forge = leased.runtime.forge_of(task)
        if forge is not None and task.thread.kind is not Kind.CLI:
            over = _Over(
                run=run,
                task=task,
                outcome=outcome,
                pages=forge.pages(task.thread),
                say_next=say_next,
                due_at=due_at,
            )
            _tell(tx, leased.runtime, over)
    leased.runtime.nudges.report(leased.task.thread_key)


def _goes_on_at(tx: Connection, leased: LeasedRun, run: Run) -> float | None:
    """When this run is tried again by itself: once, after a limit whose end is known. None: it is not."""
    agent = leased.runtime.agents.get(leased.task.agent)
    if run.outcome is not Outcome.RATE_LIMITED or run.limited_until is None or run.cancel_asked:
        return None
    if agent is None or not agent.resumes_after_limit or run.cause.startswith(enqueue.AUTO):
        return None
    now = clock(tx)
    return max(now, run.limited_until) if run.limited_until <= now + _LONGEST_LIMIT else None


def _tell(tx: Connection, runtime: Runtime, over: _Over) -> None:
    run, task = over.run, over.task
    page = runtime.page(task.id)
    verdict = CheckState.SUCCESS if task.state is State.SUCCEEDED else CheckState.FAILURE
    for sha in _status_heads(task):
        _want(tx, run, Outgoing.STATUS, {"verdict": verdict, "description": comments.in_short(run)}, sha)
    if run.outcome is Outcome.PUSHED and task.change in ("draft", "ready") and task.change_number is None:
        body = comments.change_body(run, task, page, secrets=runtime.secrets)
        _want(tx, run, Outgoing.CHANGE, _change(run, task, body))
    worn = runtime.result_labels
    for label in sorted(set(worn.values())):
        _want(tx, run, Outgoing.LABEL, {"on": worn.get(task.state) == label}, label)
    _want(tx, run, Outgoing.PROGRESS, {"text": comments.over(run, task)})
    lead, rest = _last_words(tx, over, runtime.secrets)
    _want(tx, run, Outgoing.FINAL, {"lead": lead, "rest": f"{rest}\n\n[Page and log of this task]({page})"})


def _last_words(tx: Connection, over: _Over, secrets: Sequence[str]) -> tuple[str, str]:
    """The comment at the end, in the two parts that `comments.final` makes."""
    run, task = over.run, over.task
    kept = workspaces.get(tx, task.id)
    is_here = kept is not None and kept.removed_at is None and kept.host == run.host
    [last] = tasks.of_thread(tx, task.thread_key, 1)
    spell = partial(next_command, task=task, newest=last.id == task.id)
    also = ENDINGS[over.outcome].also
    lead, rest = comments.final(
        run,
        task,
        over.pages,
        kept_until=kept.keep_until if kept and is_here else None,
        started_over=workspaces.is_made_again(tx, run, kept),
        lost=kept is not None and kept.lost,
        say_next=spell(over.say_next),
        also=spell(also) if also else "",
        secrets=secrets,
        spent=costs.of_run(tx, run),
    )
    if over.due_at is not None:
        rest += f"\n\n{comments.after_limit(over.due_at, spell('/cancel'))}"
    return lead, rest


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
