"""One run, phase by phase: prepare, agent, export, push, report.

Phases never run backwards, and each leaves what the next one needs in the ledger:
a worker that finds the run in some phase goes on there, whoever began it.
"""

import threading
from contextlib import suppress
from dataclasses import replace

import structlog

from bot.domain.errors import BotError, LeaseLost, LedgerUnavailable
from bot.domain.interrupt import interruptible, within
from bot.domain.lifecycle import ENDINGS, Outcome, Phase, RunVerdict
from bot.domain.task import Run
from bot.reports.phrases import HOST_STOPPED
from bot.runs.failover import is_on_another_host
from bot.runs.free_space import free_disk_space
from bot.runs.leased_run import LeasedRun, Stopped, take_up, watched
from bot.runs.patch import keep_patch
from bot.runs.phases import agent, export, finish, push
from bot.runs.phases.prepare import fetch, prepare
from bot.runs.runtime import Runtime
from bot.runs.verdict import phase_of, verdict_on
from bot.sandbox.export import take
from bot.store import leases
from bot.store.leases import TAKEOVERS

log = structlog.get_logger()

_PAUSE = 1.0  # seconds between two looks whether the ledger is back
_REMOVE = 60.0  # seconds to wait for the removal of the sandbox of a run that did not end well
_REMOVE_CANCELLED = 0.5  # and of one that was cancelled: its thread is not to wait for an engine that hangs
EXPORT_OF_CANCELLED = 30.0  # seconds the work of a cancelled agent may take to come out of its workspace


def execute(runtime: Runtime, run: Run, stopping: threading.Event) -> None:
    """Work on a claimed run until it has ended, is not ours any more, or `stopping` is set."""
    while True:
        try:
            _to_the_end(take_up(runtime, run, stopping))
        except LeaseLost:
            log.warning("run was taken over", epoch=run.epoch)
        except LedgerUnavailable as error:
            # It kills nothing: where the ledger says the run stands, we go on as another worker would.
            log.warning("ledger went away", error=type(error).__name__)
            if not stopping.wait(_PAUSE):
                continue
        return


def _to_the_end(leased: LeasedRun) -> None:
    runtime = leased.runtime
    try:
        with watched(leased):
            verdict = _verdict(leased)
            keep_patch(leased)
            outcome = verdict.outcome or Outcome.PUSHED  # all phases succeeded, the push was the last
            next_command = verdict.next_command or ENDINGS[outcome].next
            finish.finish(leased, outcome, verdict.reason, next_command)
    except Stopped:
        with runtime.ledger.write() as tx:
            leases.release(tx, leased.lease)
        log.info("run released", phase=phase_of(leased))
    else:
        log.info("run ended", outcome=outcome, reason=verdict.reason)


def _verdict(leased: LeasedRun) -> RunVerdict:
    """The one place where what went wrong in a phase becomes an outcome."""
    try:
        if leased.run.takeovers < TAKEOVERS:
            return _go_on(leased)
        verdict = RunVerdict(Outcome.LOST, f"Its worker died {TAKEOVERS} times in phase {leased.run.phase}.")
    except (LeaseLost, Stopped, LedgerUnavailable):
        raise
    except Exception as error:  # noqa: BLE001 - a bug of ours must still end the run and be told
        verdict = verdict_on(leased, error)
    # What failed may have failed because another worker has the run: then the sandbox is that one's.
    leased.require_lease()
    # The next run of the task, or the janitor, removes what an engine that hangs does not remove now.
    seconds = _REMOVE_CANCELLED if verdict.outcome is Outcome.CANCELLED else _REMOVE
    with suppress(BotError, TimeoutError):
        interruptible(lambda: leased.runtime.engine.remove(leased.sandbox), within(seconds))
    leased.runtime.gateway.remove(leased.run.id)
    return verdict


def _go_on(leased: LeasedRun) -> RunVerdict:
    """From the recorded phase to the end."""
    phase = leased.run.phase
    if phase is not Phase.PUSH:
        leased.remove_stale_containers()
    if phase is not Phase.PREPARE and is_on_another_host(leased):
        # To push again would need what is lost, too.
        return RunVerdict(
            Outcome.LOST, HOST_STOPPED, "/resume <what to do again>" if phase is Phase.PUSH else ""
        )
    if phase is Phase.PUSH:
        leased.enter(Phase.PUSH)
        return push.push(leased, fetch(leased))
    if phase is Phase.PREPARE:
        leased.enter(Phase.PREPARE)
        if spent := leased.runtime.gateway.exhausted_budget(leased.run, leased.task):
            return RunVerdict(Outcome.OVER_BUDGET, spent)
    return _work(leased, phase)


def _work(leased: LeasedRun, phase: Phase) -> RunVerdict:
    """All that is done in a workspace, from this phase on, and the push of what came of it."""
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
    if not verdict.is_success:
        return verdict
    leased.enter(Phase.PUSH)
    return push.push(leased, source)


def _export_despite_cancel(leased: LeasedRun) -> float:
    """Return for how many seconds a cancel does not end the export."""
    cancelled = leased.run.agent_outcome is Outcome.CANCELLED
    # A worker that died may have promoted the export and not have recorded it. Nobody would do so later.
    promoted = take.is_done(leased.runtime.quarantine(leased.task.id), leased.run.id)
    return EXPORT_OF_CANCELLED if cancelled or promoted else 0
