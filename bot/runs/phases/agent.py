"""Phase agent: start the sandbox, or find it, and follow it to its end.

The sandbox is detached and outlives this process. The next worker continues at the
last byte of the log in the ledger.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from bot.agents.agent import Agent, Start
from bot.agents.environment import environment
from bot.agents.transcript import OutputReader
from bot.domain.errors import BadSettings, EngineUnavailable
from bot.domain.interrupt import interruptible
from bot.domain.lifecycle import Phase
from bot.domain.outcomes import Outcome, RunVerdict
from bot.gateway import endpoint
from bot.runs.agent_exit import decide, of_container
from bot.runs.agent_limits import watched_limits
from bot.runs.agent_output import Tail
from bot.runs.leased_run import Cancelled, LeasedRun, Stopped
from bot.runs.runtime import AgentAccess
from bot.sandbox.engine.containers import Condition, ContainerSpec, Mount
from bot.sandbox.user_files import user_files
from bot.sandbox.workspace import Workspaces
from bot.store import leases
from bot.store import runs as run_rows
from bot.text.units import moment

_GRACE = 2  # seconds a cancelled agent has to end by itself
_STOP_WITHIN = 3.5  # seconds the engine has to end it


def follow(leased: LeasedRun, workspaces: Workspaces, mirror: Path) -> None:
    """Run the agent to its end, and record the end and the next phase.

    Raises Stopped and LeaseLost while the agent goes on working, and Cancelled if the agent of a cancelled
    run could not be stopped at once.
    """
    with _access(leased) as access:
        verdict = _follow(leased, workspaces, mirror, access)
    if access:
        verdict = _seen_by_gateway(leased, verdict, access)
    with leased.runtime.ledger.write() as tx:
        leases.write(
            tx,
            leased.lease,
            agent_outcome=verdict.outcome,
            exit_status=verdict.exit_status,
            reason=verdict.reason,
            summary=verdict.summary,
        )
        leases.enter(tx, leased.lease, Phase.EXPORT)
        leased.run = run_rows.get(tx, leased.run.id)


def _seen_by_gateway(leased: LeasedRun, verdict: RunVerdict, access: AgentAccess) -> RunVerdict:
    """Record the run's usage, and correct the verdict by the gateway's answers to the agent.

    Answers that were on their way when the agent ended are complete by now.
    """
    if access.stop and verdict.outcome is not Outcome.CANCELLED:
        verdict = replace(verdict, outcome=access.stop.outcome, reason=access.stop.reason)
    elif verdict.outcome is Outcome.AGENT_FAILED and access.limited:
        # Most agents do not report a provider's limit: the last answer to them shows it.
        verdict = replace(verdict, outcome=Outcome.RATE_LIMITED)
    limited = {}
    if verdict.outcome is Outcome.RATE_LIMITED and access.limited_until is not None:
        limited["limited_until"] = access.limited_until
        if leased.run.limited_until is None:
            reason = f"{verdict.reason} The limit ends at {moment(access.limited_until)}."
            verdict = replace(verdict, reason=reason)
    with leased.runtime.ledger.write() as tx:
        leases.write(tx, leased.lease, **limited)
        access.counter.save(tx)
    return verdict


@contextmanager
def _access(leased: LeasedRun) -> Iterator[AgentAccess | None]:
    """Open the run's way to the outside for the block; None if the settings allow none."""
    gateway = leased.runtime.gateway
    if gateway.endpoint(leased.run.id) is None:
        yield None
        return
    try:
        with gateway.open(leased.run, leased.task) as access:
            yield access
    except (Stopped, Cancelled):
        # Answers were cut, and their usage is known only now. The next worker counts on from there.
        with leased.runtime.ledger.write() as tx:
            leases.write(tx, leased.lease)
            access.counter.save(tx)
        raise


def _follow(
    leased: LeasedRun, workspaces: Workspaces, mirror: Path, access: AgentAccess | None
) -> RunVerdict:
    engine, agent = leased.runtime.engine, _agent(leased)
    reader = OutputReader(agent.output_parser())
    try:
        if not leased.run.agent_started:
            # If a worker died before it recorded the start, `start` finds that worker's sandbox.
            leased.retry(lambda: engine.start(_sandbox(leased, workspaces, mirror)))
            with leased.runtime.ledger.write() as tx:
                leases.write(tx, leased.lease, agent_started=True)
        log = leased.runtime.data.log(leased.run.id)
        reader.replay(log, leased.run.log_offset, check=leased.check)
        verdict = _watch(leased, workspaces, reader, access)
        reader.end()
        with leased.runtime.ledger.write() as tx:
            leases.write(tx, leased.lease, **reader.changes())
        verdict = decide(verdict, reader.report, reports_end=agent.reports_end)
        if verdict.exit_status is None:
            # A worker that slept past a limit may have lost the run: the next one decides how it ends.
            leased.require_lease()
            leased.retry_or_abandon(lambda: engine.stop(leased.sandbox))
    except Cancelled:
        verdict = _cancelled(leased)
    return verdict


def _cancelled(leased: LeasedRun) -> RunVerdict:
    """Report the cancel on the thread, and stop the agent. Raises Cancelled if it is not stopped in time."""
    with leased.runtime.ledger.write() as tx:
        leases.write(tx, leased.lease)
        leased.run = replace(leased.run, cancel_asked=True)
        leased.report_progress(tx, Phase.AGENT)
    with leased.delaying_cancel(_STOP_WITHIN):
        leased.retry_or_abandon(lambda: leased.runtime.engine.stop(leased.sandbox, _GRACE))
    return RunVerdict(Outcome.CANCELLED)


def _watch(
    leased: LeasedRun, workspaces: Workspaces, reader: OutputReader, access: AgentAccess | None
) -> RunVerdict:
    condition, _ = _look(leased)
    memory = leased.runtime.limits_of(leased.task).container.memory
    if condition is None:
        return of_container(None, memory=memory, watched=True)
    # If an earlier worker started the agent and it has ended since, nobody saw its exit.
    watched = condition.running or not leased.run.agent_started
    with watched_limits(leased, workspaces, has_ended=not condition.running) as limits:
        tail = Tail(leased, limits, reader, access)
        while True:
            if verdict := tail.to_the_end():
                return verdict
            condition, answers = _look(leased)
            # The stream also ends with the connection to the engine: then the agent may still be running.
            if condition is None or not condition.running:
                return of_container(condition, memory=memory, watched=watched and answers)
            watched = True


def _look(leased: LeasedRun) -> tuple[Condition | None, bool]:
    """Return the condition of the sandbox, and whether the engine answered at once.

    Waits for an engine that is away.
    """
    engine, name = leased.runtime.engine, leased.sandbox
    with suppress(EngineUnavailable):
        return interruptible(lambda: engine.condition(name), leased.check), True
    return leased.retry_or_abandon(lambda: engine.condition(name)), False


def _agent(leased: LeasedRun) -> Agent:
    name = leased.task.agent
    if name not in leased.runtime.agents:
        raise BadSettings(f"The settings have no agent `{name}` any more. `/resume --agent` names another.")
    return leased.runtime.agents[name]


def _start(leased: LeasedRun, agent: Agent) -> Start:
    """Collect the facts of the run that the agent is started with."""
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
        endpoint=runtime.gateway.endpoint(run.id),
    )


def _sandbox(leased: LeasedRun, workspaces: Workspaces, mirror: Path) -> ContainerSpec:
    runtime, run, task = leased.runtime, leased.run, leased.task
    agent = _agent(leased)
    start = _start(leased, agent)
    argv = agent.argv(start)
    mounts = workspaces.mounts(task.id, run.number, mirror, runtime.quarantine(task.id))
    uid = workspaces.uid(task.id)
    if uid is not None and runtime.worker.uids:  # an image of one's own may know the one id of all tasks
        mounts += user_files(runtime.data.users, uid)
    if start.endpoint:
        argv = endpoint.with_relay(argv)
        mounts.append(Mount(source=runtime.gateway.folder(run.id), target=endpoint.FOLDER))
    return ContainerSpec(
        name=leased.sandbox,
        image=runtime.image,
        argv=argv,
        env={**environment(start), **agent.environment(start)},
        mounts=mounts,
        limits=runtime.limits_of(task).container,
        labels={"forgehand.task": task.id, "forgehand.run": run.id},
        log_bytes=runtime.log_bytes,
        uid=uid,
    )
