"""One run, phase by phase: prepare, agent, export, push, report.

Phases never run backwards, and each one stores its results in the ledger for the
next one: a worker that takes a run over continues in the recorded phase.
"""

import threading
from contextlib import suppress
from dataclasses import replace

import structlog

from bot.domain.error_policy import away
from bot.domain.errors import BotError, LeaseLost, LedgerUnavailable
from bot.domain.interrupt import interruptible, within
from bot.domain.lifecycle import Phase
from bot.domain.outcomes import ENDINGS, Outcome, RunVerdict
from bot.domain.task import Run
from bot.reports.phrases import HOST_STOPPED
from bot.runs.error_verdict import phase_of, verdict_on
from bot.runs.failover import is_on_another_host
from bot.runs.free_space import free_disk_space
from bot.runs.leased_run import LeasedRun, Stopped, take_up, watched
from bot.runs.patch import save_patch
from bot.runs.phases import agent, export, finish, push
from bot.runs.phases.prepare import fetch, prepare
from bot.runs.runtime import Runtime
from bot.sandbox.export import workspace_export
from bot.store import leases
from bot.store.leases import TAKEOVERS

log = structlog.get_logger()

_PAUSE = 1.0  # seconds before the ledger is tried again
_REMOVE = 60.0  # seconds to wait for the removal of a failed run's sandbox
_REMOVE_CANCELLED = 0.5  # the same for a cancelled run: a person waits for the reply, and the engine may hang
EXPORT_OF_CANCELLED = 30.0  # seconds that the export of a cancelled agent's work may take


def execute(runtime: Runtime, run: Run, stopping: threading.Event) -> None:
    """Work on a claimed run until it has ended, another worker has it, or `stopping` is set."""
    while True:
        try:
            _to_the_end(take_up(runtime, run, stopping))
        except LeaseLost:
            log.warning("run was taken over", epoch=run.epoch)
        except LedgerUnavailable as error:
            # This ends no run. Like any other worker, we continue in the phase that the ledger has.
            log.warning("ledger went away", error=type(error).__name__, away=away(error))
            if not stopping.wait(_PAUSE):
                continue
        return


def _to_the_end(leased: LeasedRun) -> None:
    runtime = leased.runtime
    try:
        with watched(leased):
            verdict = _verdict(leased)
            save_patch(leased)
            outcome = verdict.outcome or Outcome.PUSHED  # all phases succeeded, the push was the last
            next_command = verdict.next_command or ENDINGS[outcome].next
            finish.finish(leased, outcome, verdict.reason, next_command)
    except Stopped:
        with runtime.ledger.write() as tx:
            leases.release(tx, leased.lease)
        log.info("run released", phase=phase_of(leased))
    else:
        log.info("run ended", outcome=outcome)  # the reason may quote the agent


def _verdict(leased: LeasedRun) -> RunVerdict:
    """Work on the run to its end, and turn every error that a phase raises into a verdict."""
    try:
        if leased.run.takeovers < TAKEOVERS:
            return _continue(leased)
        verdict = RunVerdict(Outcome.LOST, f"Its worker died {TAKEOVERS} times in phase {leased.run.phase}.")
    except (LeaseLost, Stopped, LedgerUnavailable):
        raise
    except Exception as error:  # noqa: BLE001 - a bug of ours must still end the run and be reported
        verdict = verdict_on(leased, error)
    # The error may come from another worker that has the run now: then the sandbox belongs to that worker.
    leased.require_lease()
    # If the engine hangs, the next run of the task or the janitor removes the sandbox.
    seconds = _REMOVE_CANCELLED if verdict.outcome is Outcome.CANCELLED else _REMOVE
    with suppress(BotError, TimeoutError):
        interruptible(lambda: leased.runtime.engine.remove(leased.sandbox), within(seconds))
    leased.runtime.gateway.remove(leased.run.id)
    return verdict


def _continue(leased: LeasedRun) -> RunVerdict:
    """Run the recorded phase and all later ones."""
    phase = leased.run.phase
    if phase is not Phase.PUSH:
        leased.remove_stale_containers()
    if phase is not Phase.PREPARE and is_on_another_host(leased):
        # The push needs the quarantine, which is on the other host.
        return RunVerdict(
            Outcome.LOST, HOST_STOPPED, "/resume <what to do again>" if phase is Phase.PUSH else ""
        )
    if phase is Phase.PUSH:
        leased.enter(Phase.PUSH)
        return push.push(leased, fetch(leased))
    if phase is Phase.PREPARE:
        leased.enter(Phase.PREPARE)
        if exhausted := leased.runtime.gateway.exhausted_budget(leased.run, leased.task):
            return RunVerdict(Outcome.OVER_BUDGET, exhausted)
    return _work(leased, phase)


def _work(leased: LeasedRun, phase: Phase) -> RunVerdict:
    """Work in the workspace from this phase on, and push the result."""
    runtime = leased.runtime
    places = runtime.workspaces()
    if phase is Phase.PREPARE:
        free_disk_space(leased)
        source = prepare(leased, places)
        leased.check()
        leased.enter(Phase.AGENT)
    else:
        source = replace(runtime.mirror(leased.task), check=leased.check)
    if phase in (Phase.PREPARE, Phase.AGENT):
        agent.follow(leased, places, source.path)
    with leased.delaying_cancel(_export_despite_cancel(leased)):
        leased.retry_or_abandon(lambda: runtime.engine.remove(leased.sandbox))
        verdict = export.export(leased, source)
    if verdict.outcome is Outcome.CANCELLED:
        return verdict
    leased.check()
    if not verdict.may_continue:
        return verdict
    leased.enter(Phase.PUSH)
    return push.push(leased, source)


def _export_despite_cancel(leased: LeasedRun) -> float:
    """Return for how many seconds a cancel must not interrupt the export."""
    cancelled = leased.run.agent_outcome is Outcome.CANCELLED
    # A worker may have died between promoting the export and recording it. Only this run can record it.
    promoted = workspace_export.is_done(leased.runtime.quarantine(leased.task.id), leased.run.id)
    return EXPORT_OF_CANCELLED if cancelled or promoted else 0
