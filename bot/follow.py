"""Phase agent: start the sandbox, or find it, and follow it to its end.

The sandbox is detached: it outlives this process, and the next worker goes on at
the byte the ledger holds.
"""

from pathlib import Path

from bot.agents.agent import Start
from bot.agents.environment import environment
from bot.attempt import Attempt, Cancelled
from bot.bounds import Ended, bounds
from bot.model import Outcome
from bot.sandbox.container import Condition, Sandbox
from bot.sandbox.workspace import Workspaces
from bot.store import leases
from bot.tail import Tail


def follow(attempt: Attempt, workspaces: Workspaces, mirror: Path) -> Ended:
    """Run the agent to its end and return how it ended; raises Stopped and LeaseLost, sandbox running."""
    engine = attempt.house.engine
    try:
        if not attempt.run.agent_started:
            # One that a dead worker started, and did not live to record, is left as it is.
            attempt.retrying(lambda: engine.start(_sandbox(attempt, workspaces, mirror)))
            with attempt.house.ledger.write() as tx:
                leases.write(tx, attempt.lease, agent_started=True)
        ended = _watch_it(attempt, workspaces)
    except Cancelled:
        attempt.cancel_heard = True
        ended = Ended(Outcome.CANCELLED, "", None)
    if ended.exit_status is None:
        # A worker that slept past a limit may have lost the run: the next one decides how it ends.
        attempt.must_be_ours()
        attempt.retrying(lambda: engine.stop(attempt.sandbox))
    return ended


def _watch_it(attempt: Attempt, workspaces: Workspaces) -> Ended:
    if attempt.retrying(lambda: attempt.house.engine.condition(attempt.sandbox)) is None:
        return _judge(attempt, None)
    with bounds(attempt, workspaces) as limits:
        tail = Tail(attempt, limits)
        while True:
            if cut := tail.to_the_end():
                return cut
            condition = attempt.retrying(lambda: attempt.house.engine.condition(attempt.sandbox))
            # The stream also ends when the engine's connection does: the agent may well go on.
            if condition is None or not condition.running:
                return _judge(attempt, condition)


def _judge(attempt: Attempt, condition: Condition | None) -> Ended:
    if condition is None or condition.exit_status is None:
        return Ended(Outcome.LOST, "Its container is not there any more.", None)
    status = condition.exit_status
    if status == 0:
        return Ended(None, "", 0)
    if condition.out_of_memory:
        limit = attempt.house.allowance_of(attempt.task).limits.memory
        return Ended(Outcome.OUT_OF_MEMORY, f"It needed more than its {limit} of memory.", status)
    return Ended(Outcome.AGENT_FAILED, f"It ended with exit status {status}.", status)


def _sandbox(attempt: Attempt, workspaces: Workspaces, mirror: Path) -> Sandbox:
    house, run, task = attempt.house, attempt.run, attempt.task
    agent = house.agents[task.agent]
    start = Start(
        task=task.id,
        run=run.id,
        resume=run.number > 1,
        agent=task.agent,
        model=task.model or agent.model,
        base=task.base,
        branch=task.branch,
        identity=house.identity,
        session=run.session_from,
    )
    return Sandbox(
        name=attempt.sandbox,
        image=house.image,
        argv=agent.argv(start),
        env={**environment(start), **agent.environment(start)},
        mounts=workspaces.mounts(task.id, run.number, mirror, house.quarantine(task.id)),
        limits=house.allowance_of(task).limits,
        labels={"forgehand.task": task.id, "forgehand.run": run.id},
        log_bytes=house.log_bytes,
    )
