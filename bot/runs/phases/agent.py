"""Phase agent: start the sandbox, or find it, and follow it to its end.

The sandbox is detached: it outlives this process, and the next worker goes on at
the byte the ledger holds.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from bot.agents.agent import Agent, Start
from bot.agents.environment import environment
from bot.agents.transcript import Listening
from bot.domain.errors import BadSettings, EngineUnavailable
from bot.domain.interrupt import interruptible
from bot.domain.lifecycle import Outcome, Phase
from bot.gateway import endpoint
from bot.gateway.run_access import RunAccess
from bot.runs.agent_exit import decide, of_container
from bot.runs.agent_limits import Ended, bounds
from bot.runs.agent_output import Tail
from bot.runs.leased_run import Cancelled, LeasedRun, Stopped
from bot.sandbox.engine.containers import Condition, ContainerSpec, Mount
from bot.sandbox.workspace import Workspaces
from bot.store import leases
from bot.text.units import moment

_GRACE = 2  # seconds a cancelled agent has to end by itself
_STOP_WITHIN = 3.5  # seconds the engine has to end it


def follow(leased: LeasedRun, workspaces: Workspaces, mirror: Path) -> Ended:
    """Run the agent to its end and return how it ended; raises Stopped and LeaseLost, sandbox running.

    Raises Cancelled if the agent of a cancelled run could not be stopped at once.
    """
    with _access(leased) as access:
        ended = _follow(leased, workspaces, mirror, access)
    return _seen_outside(leased, ended, access) if access else ended


def _seen_outside(leased: LeasedRun, ended: Ended, access: RunAccess) -> Ended:
    """Record what the run used, and correct how it ended by what the agent was told outside.

    Of answers that were still on their way when the agent ended all is known now.
    """
    if access.stop and ended.outcome is not Outcome.CANCELLED:
        ended = replace(ended, outcome=access.stop.outcome, reason=access.stop.words)
    elif ended.outcome is Outcome.AGENT_FAILED and access.limited:
        # Most agents have no word of their own for that: the last answer they were given says it.
        ended = replace(ended, outcome=Outcome.RATE_LIMITED)
    limited = {}
    if ended.outcome is Outcome.RATE_LIMITED and access.limited_until is not None:
        limited["limited_until"] = access.limited_until
        if leased.run.limited_until is None:
            ended = replace(ended, reason=f"{ended.reason} The limit ends at {moment(access.limited_until)}.")
    with leased.runtime.ledger.write() as tx:
        leases.write(tx, leased.lease, **limited)
        access.counts.save(tx)
    return ended


@contextmanager
def _access(leased: LeasedRun) -> Iterator[RunAccess | None]:
    """The run's way out, where it has any."""
    gateway = leased.runtime.gateway
    if gateway.outside(leased.run.id) is None:
        yield None
        return
    try:
        with gateway.open(leased.run, leased.task) as access:
            yield access
    except (Stopped, Cancelled):
        # Of the answers that this has cut, all is known only now. The next worker counts on from there.
        with leased.runtime.ledger.write() as tx:
            leases.write(tx, leased.lease)
            access.counts.save(tx)
        raise


def _follow(leased: LeasedRun, workspaces: Workspaces, mirror: Path, access: RunAccess | None) -> Ended:
    engine, agent = leased.runtime.engine, _agent(leased)
    listening = Listening(agent.listen())
    try:
        if not leased.run.agent_started:
            # One that a dead worker started, and did not live to record, is left as it is.
            leased.retrying(lambda: engine.start(_sandbox(leased, workspaces, mirror)))
            with leased.runtime.ledger.write() as tx:
                leases.write(tx, leased.lease, agent_started=True)
        log = leased.runtime.data.log(leased.run.id)
        listening.replay(log, leased.run.log_offset, check=leased.check)
        ended = _watch_it(leased, workspaces, listening, access)
        listening.end()
        with leased.runtime.ledger.write() as tx:
            leases.write(tx, leased.lease, **listening.news())
        ended = decide(ended, listening.result, reports_end=agent.reports_end)
        if ended.exit_status is None:
            # A worker that slept past a limit may have lost the run: the next one decides how it ends.
            leased.must_be_ours()
            leased.asking(lambda: engine.stop(leased.sandbox))
    except Cancelled:
        ended = _cancelled(leased)
    return ended


def _cancelled(leased: LeasedRun) -> Ended:
    """Tell the thread, and stop the agent. Raises Cancelled if the engine does not do so in time."""
    with leased.runtime.ledger.write() as tx:
        leases.write(tx, leased.lease)
        leased.run = replace(leased.run, cancel_asked=True)
        leased.tell(tx, Phase.AGENT)
    with leased.undisturbed(_STOP_WITHIN):
        leased.asking(lambda: leased.runtime.engine.stop(leased.sandbox, _GRACE))
    return Ended(Outcome.CANCELLED, "", None)


def _watch_it(
    leased: LeasedRun, workspaces: Workspaces, listening: Listening, access: RunAccess | None
) -> Ended:
    condition, _ = _look(leased)
    memory = leased.runtime.allowance_of(leased.task).limits.memory
    if condition is None:
        return of_container(None, memory=memory, watched=True)
    # Of an agent that a worker before us started, and that is over, nobody knows what became of it.
    watched = condition.running or not leased.run.agent_started
    with bounds(leased, workspaces, over=not condition.running) as limits:
        tail = Tail(leased, limits, listening, access)
        while True:
            if cut := tail.to_the_end():
                return cut
            condition, answers = _look(leased)
            # The stream also ends when the engine's connection does: the agent may well go on.
            if condition is None or not condition.running:
                return of_container(condition, memory=memory, watched=watched and answers)
            watched = True


def _look(leased: LeasedRun) -> tuple[Condition | None, bool]:
    """How the sandbox is, and whether the engine said so at once. Waits for an engine that is away."""
    engine, name = leased.runtime.engine, leased.sandbox
    with suppress(EngineUnavailable):
        return interruptible(lambda: engine.condition(name), leased.check), True
    return leased.asking(lambda: engine.condition(name)), False


def _agent(leased: LeasedRun) -> Agent:
    name = leased.task.agent
    if name not in leased.runtime.agents:
        raise BadSettings(f"The settings have no agent `{name}` any more. `/resume --agent` names another.")
    return leased.runtime.agents[name]


def _start(leased: LeasedRun, agent: Agent) -> Start:
    """What the agent is to know of its run."""
    runtime, run, task = leased.runtime, leased.run, leased.task
    return Start(
        task=task.id,
        run=run.id,
        resume=run.number > 1,
        agent=task.agent,
        model=task.model or agent.model,
        base=task.base,
        branch=task.branch,
        identity=runtime.identity,
        session=run.session_from,
        outside=runtime.gateway.outside(run.id),
    )


def _sandbox(leased: LeasedRun, workspaces: Workspaces, mirror: Path) -> ContainerSpec:
    runtime, run, task = leased.runtime, leased.run, leased.task
    agent = _agent(leased)
    start = _start(leased, agent)
    argv = agent.argv(start)
    mounts = workspaces.mounts(task.id, run.number, mirror, runtime.quarantine(task.id))
    if start.outside:
        argv = endpoint.with_relay(argv)
        mounts.append(Mount(source=runtime.gateway.folder(run.id), target=endpoint.FOLDER))
    return ContainerSpec(
        name=leased.sandbox,
        image=runtime.image,
        argv=argv,
        env={**environment(start), **agent.environment(start)},
        mounts=mounts,
        limits=runtime.allowance_of(task).limits,
        labels={"forgehand.task": task.id, "forgehand.run": run.id},
        log_bytes=runtime.log_bytes,
    )
