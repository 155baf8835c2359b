"""The verdict on a run that an error ended.

If the error itself has no outcome, the phase in which it happened decides.
"""

from bot.domain.error_policy import Remedy, domain_error, remedy
from bot.domain.errors import (
    BranchMissing,
    ChangeEnded,
    DiskFull,
    EngineUnavailable,
    NotMerged,
    ProcessKilled,
    PushRejected,
    RemoteMissing,
    WorkflowsRefused,
)
from bot.domain.lifecycle import Phase
from bot.domain.outcomes import Outcome, RunVerdict
from bot.reports.incidents import incident, incident_text
from bot.runs.leased_run import Cancelled, LeasedRun
from bot.sandbox.export import workspace_export
from bot.store import runs as run_rows

# Outcome of a failure of which only the phase is known.
FAILED_IN = {
    Phase.PREPARE: Outcome.PREPARE_FAILED,
    Phase.AGENT: Outcome.LOST,
    Phase.EXPORT: Outcome.EXPORT_REFUSED,
    Phase.PUSH: Outcome.PUSH_REJECTED,
    Phase.REPORT: Outcome.LOST,
}


def verdict_on(leased: LeasedRun, error: Exception) -> RunVerdict:
    """Return the verdict on a run whose work this error ended."""
    match error := domain_error(error):
        case Cancelled():
            return RunVerdict(Outcome.CANCELLED, _unexported_work(leased))
        case DiskFull():
            return RunVerdict(Outcome.DISK_FULL, str(error), "/resume")
        case RemoteMissing():
            return RunVerdict(Outcome.REMOTE_MISSING, str(error))
        case BranchMissing() if not leased.task.base_head:
            return RunVerdict(Outcome.PREPARE_FAILED, str(error), "/run --base <branch> <what to do>")
        case ChangeEnded():
            return RunVerdict(Outcome.CHANGE_ENDED, str(error))
        case WorkflowsRefused(merge=branch) if branch:
            return RunVerdict(Outcome.PUSH_REJECTED, str(error), f"/resume merge {branch}")
        case NotMerged():
            merge = f"/resume merge {leased.task.base}"
            return RunVerdict(Outcome.EXPORT_REFUSED, str(error), merge)
        case PushRejected(moved=True):
            return RunVerdict(Outcome.PUSH_REJECTED, str(error), "/resume merge the pushed commits")
    ours = remedy(error) is Remedy.INCIDENT
    reason = incident_text(incident("run broke", error)) if ours else str(error)
    phase = phase_of(leased)
    if isinstance(error, ProcessKilled | EngineUnavailable) and phase is not Phase.PREPARE:
        return RunVerdict(Outcome.LOST, reason)  # neither the agent's work nor the remote is to blame
    return RunVerdict(FAILED_IN[phase], reason)


def _unexported_work(leased: LeasedRun) -> str:
    """Return a sentence if the work of a cancelled run is still only in its workspace, else ""."""
    with leased.runtime.ledger.read() as tx:
        run = run_rows.get(tx, leased.run.id)
    if not run.agent_started or workspace_export.is_done(leased.runtime.quarantine(run.task), run.id):
        return ""
    return "The agent's work has not been taken out of the workspace yet. It stays there."


def phase_of(leased: LeasedRun) -> Phase:
    """Return the run's phase in the ledger."""
    with leased.runtime.ledger.read() as tx:
        return run_rows.get(tx, leased.run.id).phase
