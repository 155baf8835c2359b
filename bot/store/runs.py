"""Runs: the attempts at a task and the state of each.

A worker writes about its own run through `bot.store.leases`, which checks the
epoch. Everything else is here.
"""

import json
from dataclasses import asdict
from typing import Any

from sqlalchemy import Connection, Row, exists, func, insert, or_, select, tuple_, update

from bot.domain.lifecycle import Phase, State
from bot.domain.outcomes import Outcome
from bot.domain.task import Run
from bot.domain.thread import Actor, ReplyTarget, Thread
from bot.store import context_json
from bot.store.ledger import clock
from bot.store.schema import phases, runs

OPEN = (State.QUEUED, State.RUNNING)


def add(tx: Connection, run: Run, *, forge: str, repository_id: int) -> None:
    """Insert a new run in state `queued`. The database refuses a second run with its cause or number."""
    tx.execute(
        insert(runs).values(
            id=run.id,
            task=run.task,
            number=run.number,
            thread_key=run.thread_key,
            repository_url=run.repository_url,
            state=State.QUEUED,
            phase=run.first_phase,
            first_phase=run.first_phase,
            request=run.request,
            context=context_json.dump(run.context),
            spot=json.dumps(asdict(run.reply_target)),
            forge=forge,
            repository_id=repository_id,
            cause=run.cause,
            agent=run.agent,
            asked_by_id=run.asked_by.id,
            asked_by_login=run.asked_by.login,
            host=run.host,
            wall_limit=run.wall_limit,
            due_at=run.due_at,
            created_at=clock(tx),
        )
    )


def get(tx: Connection, run_id: str) -> Run:
    """Return an existing run."""
    return value(tx.execute(select(runs).where(runs.c.id == run_id)).one())


def find(tx: Connection, run_id: str) -> Run | None:
    """Return the run; None if there is none with this id."""
    row = tx.execute(select(runs).where(runs.c.id == run_id)).one_or_none()
    return None if row is None else value(row)


def of_task(tx: Connection, task_id: str) -> list[Run]:
    """Return the runs of the task, oldest first. A task has at least one."""
    rows = tx.execute(select(runs).where(runs.c.task == task_id).order_by(runs.c.number))
    return [value(row) for row in rows]


def newest(tx: Connection, task_id: str) -> Run:
    """Return the newest run of the task."""
    query = select(runs).where(runs.c.task == task_id).order_by(runs.c.number.desc()).limit(1)
    return value(tx.execute(query).one())


def last_with_agent(tx: Connection, task_id: str, host: str) -> Run | None:
    """Return the newest run of the task on this host that reached phase `agent`."""
    reached = exists().where(phases.c.run == runs.c.id, phases.c.phase == Phase.AGENT)
    query = select(runs).where(runs.c.task == task_id, runs.c.host == host, reached)
    row = tx.execute(query.order_by(runs.c.number.desc()).limit(1)).one_or_none()
    return None if row is None else value(row)


def session_before(tx: Connection, run: Run) -> str:
    """Return the session that the run's agent may continue; "" if there is none.

    There is none if another agent worked last, or if the last run was to continue a session and failed
    before its agent reported one.
    """
    earlier = (each for each in reversed(of_task(tx, run.task)) if each.number < run.number)
    for each in earlier:
        if each.agent_started and each.agent != run.agent:
            return ""
        if each.session or (each.session_from and each.agent_outcome is Outcome.AGENT_FAILED):
            return each.session
    return ""


def of_idempotency_key(tx: Connection, thread: Thread, cause: str) -> Run | None:
    """Return the run that the command with this cause created; None if it created none."""
    row = tx.execute(
        select(runs).where(
            runs.c.forge == thread.forge, runs.c.repository_id == thread.repository_id, runs.c.cause == cause
        )
    ).one_or_none()
    return None if row is None else value(row)


def ask_cancel(tx: Connection, run: Run) -> bool:
    """Cancel a queued run at once, or set the cancel flag of a running one.

    Return False if the run has ended or has reached phase `push`.
    """
    queued = update(runs).where(runs.c.id == run.id, runs.c.state == State.QUEUED)
    now = clock(tx)
    ended = {"state": State.CANCELLED, "outcome": Outcome.CANCELLED, "ended_at": now, "cancel_asked": True}
    if tx.execute(queued.values(ended)).rowcount == 1:
        return True
    stoppable = (Phase.PREPARE, Phase.AGENT, Phase.EXPORT)
    running = update(runs).where(
        runs.c.id == run.id, runs.c.state == State.RUNNING, runs.c.phase.in_(stoppable)
    )
    return tx.execute(running.values(cancel_asked=True)).rowcount == 1


def queue_position(tx: Connection, run: Run) -> int:
    """Return the queue position of the run in its repository: 1 is next, 0 if it is not queued."""
    if run.state != State.QUEUED:
        return 0
    ahead = select(func.count()).where(
        runs.c.state == State.QUEUED,
        runs.c.repository_url == run.repository_url,
        or_(runs.c.due_at.is_(None), runs.c.due_at <= clock(tx)),
        tuple_(runs.c.created_at, runs.c.id) < (run.created_at, run.id),
    )
    return int(tx.execute(ahead).scalar_one()) + 1


def phase_times(tx: Connection, run_id: str) -> list[tuple[Phase, float, float | None]]:
    """Return (phase, start, end) of each phase in order; the end of the current phase is None."""
    rows = tx.execute(select(phases).where(phases.c.run == run_id))
    times = [(Phase(row.phase), row.started_at, row.ended_at) for row in rows]
    # By their order, not by their times: two phases can begin in one tick of the ledger's clock.
    return sorted(times, key=lambda entry: list(Phase).index(entry[0]))


def count_open(tx: Connection) -> dict[str, int]:
    """Count the queued and running runs by state."""
    query = select(runs.c.state, func.count()).where(runs.c.state.in_(OPEN)).group_by(runs.c.state)
    return {row[0]: row[1] for row in tx.execute(query)}


def value(row: Row[Any]) -> Run:
    """Convert a row of `runs`."""
    return Run(
        id=row.id,
        task=row.task,
        number=row.number,
        thread_key=row.thread_key,
        repository_url=row.repository_url,
        state=State(row.state),
        phase=Phase(row.phase),
        first_phase=Phase(row.first_phase),
        request=row.request,
        context=context_json.load(row.context),
        reply_target=ReplyTarget(**json.loads(row.spot)),
        cause=row.cause,
        agent=row.agent,
        asked_by=Actor(id=row.asked_by_id, login=row.asked_by_login),
        host=row.host,
        wall_limit=row.wall_limit,
        epoch=row.epoch,
        cancel_asked=row.cancel_asked,
        outcome=Outcome(row.outcome) if row.outcome else None,
        agent_started=row.agent_started,
        agent_outcome=Outcome(row.agent_outcome) if row.agent_outcome else None,
        reason=row.reason,
        summary=row.summary,
        title=row.title,
        unexported=row.unexported,
        moved=row.moved,
        exit_status=row.exit_status,
        log_offset=row.log_offset,
        session=row.session,
        session_from=row.session_from,
        session_cost=row.session_cost,
        doing=row.doing,
        limited_until=row.limited_until,
        due_at=row.due_at,
        takeovers=row.takeovers,
        created_at=row.created_at,
        started_at=row.started_at,
        ended_at=row.ended_at,
    )
