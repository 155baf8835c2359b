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
from bot.gateway.run_access import Gate
from bot.runs.agent_exit import judge, of_container
from bot.runs.agent_limits import Ended, bounds
from bot.runs.agent_output import Tail
from bot.runs.leased_run import Attempt, Cancelled, Stopped
from bot.sandbox.engine.containers import Condition, Mount, Sandbox
from bot.sandbox.workspace import Workspaces
from bot.store import leases
from bot.text.units import moment

_GRACE = 2  # seconds a cancelled agent has to end by itself
_STOP_WITHIN = 3.5  # seconds the engine has to end it


def follow(attempt: Attempt, workspaces: Workspaces, mirror: Path) -> Ended:
    """Run the agent to its end and return how it ended; raises Stopped and LeaseLost, sandbox running.

    Raises Cancelled if the agent of a cancelled run could not be stopped at once.
    """
    with _gate(attempt) as gate:
        ended = _follow(attempt, workspaces, mirror, gate)
    return _seen_outside(attempt, ended, gate) if gate else ended


def _seen_outside(attempt: Attempt, ended: Ended, gate: Gate) -> Ended:
    """Record what the run used, and correct how it ended by what the agent was told outside.

    Of answers that were still on their way when the agent ended all is known now.
    """
    if gate.stop and ended.outcome is not Outcome.CANCELLED:
        ended = replace(ended, outcome=gate.stop.outcome, reason=gate.stop.words)
    elif ended.outcome is Outcome.AGENT_FAILED and gate.limited:
        # Most agents have no word of their own for that: the last answer they were given says it.
        ended = replace(ended, outcome=Outcome.RATE_LIMITED)
    limited = {}
    if ended.outcome is Outcome.RATE_LIMITED and gate.limited_until is not None:
        limited["limited_until"] = gate.limited_until
        if attempt.run.limited_until is None:
            ended = replace(ended, reason=f"{ended.reason} The limit ends at {moment(gate.limited_until)}.")
    with attempt.house.ledger.write() as tx:
        leases.write(tx, attempt.lease, **limited)
        gate.counts.save(tx)
    return ended


@contextmanager
def _gate(attempt: Attempt) -> Iterator[Gate | None]:
    """The run's way out, where it has any."""
    gateway = attempt.house.gateway
    if gateway.outside(attempt.run.id) is None:
        yield None
        return
    try:
        with gateway.open(attempt.run, attempt.task) as gate:
            yield gate
    except (Stopped, Cancelled):
        # Of the answers that this has cut, all is known only now. The next worker counts on from there.
        with attempt.house.ledger.write() as tx:
            leases.write(tx, attempt.lease)
            gate.counts.save(tx)
        raise


def _follow(attempt: Attempt, workspaces: Workspaces, mirror: Path, gate: Gate | None) -> Ended:
    engine, agent = attempt.house.engine, _agent(attempt)
    listening = Listening(agent.listen())
    try:
        if not attempt.run.agent_started:
            # One that a dead worker started, and did not live to record, is left as it is.
            attempt.retrying(lambda: engine.start(_sandbox(attempt, workspaces, mirror)))
            with attempt.house.ledger.write() as tx:
                leases.write(tx, attempt.lease, agent_started=True)
        log = attempt.house.data / "logs" / attempt.run.id
        listening.replay(log, attempt.run.log_offset, check=attempt.check)
        ended = _watch_it(attempt, workspaces, listening, gate)
        listening.end()
        with attempt.house.ledger.write() as tx:
            leases.write(tx, attempt.lease, **listening.news())
        ended = judge(ended, listening.result, says_end=agent.says_end)
        if ended.exit_status is None:
            # A worker that slept past a limit may have lost the run: the next one decides how it ends.
            attempt.must_be_ours()
            attempt.asking(lambda: engine.stop(attempt.sandbox))
    except Cancelled:
        ended = _cancelled(attempt)
    return ended


def _cancelled(attempt: Attempt) -> Ended:
    """Tell the thread, and stop the agent. Raises Cancelled if the engine does not do so in time."""
    with attempt.house.ledger.write() as tx:
        leases.write(tx, attempt.lease)
        attempt.run = replace(attempt.run, cancel_asked=True)
        attempt.tell(tx, Phase.AGENT)
    with attempt.undisturbed(_STOP_WITHIN):
        attempt.asking(lambda: attempt.house.engine.stop(attempt.sandbox, _GRACE))
    return Ended(Outcome.CANCELLED, "", None)


def _watch_it(attempt: Attempt, workspaces: Workspaces, listening: Listening, gate: Gate | None) -> Ended:
    condition, _ = _look(attempt)
    memory = attempt.house.allowance_of(attempt.task).limits.memory
    if condition is None:
        return of_container(None, memory=memory, watched=True)
    # Of an agent that a worker before us started, and that is over, nobody knows what became of it.
    watched = condition.running or not attempt.run.agent_started
    with bounds(attempt, workspaces, over=not condition.running) as limits:
        tail = Tail(attempt, limits, listening, gate)
        while True:
            if cut := tail.to_the_end():
                return cut
            condition, answers = _look(attempt)
            # The stream also ends when the engine's connection does: the agent may well go on.
            if condition is None or not condition.running:
                return of_container(condition, memory=memory, watched=watched and answers)
            watched = True


def _look(attempt: Attempt) -> tuple[Condition | None, bool]:
    """How the sandbox is, and whether the engine said so at once. Waits for an engine that is away."""
    engine, name = attempt.house.engine, attempt.sandbox
    with suppress(EngineUnavailable):
        return interruptible(lambda: engine.condition(name), attempt.check), True
    return attempt.asking(lambda: engine.condition(name)), False


def _agent(attempt: Attempt) -> Agent:
    name = attempt.task.agent
    if name not in attempt.house.agents:
        raise BadSettings(f"The settings have no agent `{name}` any more. `/resume --agent` names another.")
    return attempt.house.agents[name]


def _start(attempt: Attempt, agent: Agent) -> Start:
    """What the agent is to know of its run."""
    house, run, task = attempt.house, attempt.run, attempt.task
    return Start(
        task=task.id,
        run=run.id,
        resume=run.number > 1,
        agent=task.agent,
        model=task.model or agent.model,
        base=task.base,
        branch=task.branch,
        identity=house.identity,
        session=run.session_from,
        outside=house.gateway.outside(run.id),
    )


def _sandbox(attempt: Attempt, workspaces: Workspaces, mirror: Path) -> Sandbox:
    house, run, task = attempt.house, attempt.run, attempt.task
    agent = _agent(attempt)
    start = _start(attempt, agent)
    argv = agent.argv(start)
    mounts = workspaces.mounts(task.id, run.number, mirror, house.quarantine(task.id))
    if start.outside:
        argv = endpoint.with_relay(argv)
        mounts.append(Mount(source=house.gateway.folder(run.id), target=endpoint.FOLDER))
    return Sandbox(
        name=attempt.sandbox,
        image=house.image,
        argv=argv,
        env={**environment(start), **agent.environment(start)},
        mounts=mounts,
        limits=house.allowance_of(task).limits,
        labels={"forgehand.task": task.id, "forgehand.run": run.id},
        log_bytes=house.log_bytes,
    )
