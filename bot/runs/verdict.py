"""How a run ends that an error ended.

The phase in which it happened names the outcome, where the error itself does not.
"""

from dataclasses import dataclass

from bot.domain.error_policy import Remedy, known, remedy
from bot.domain.errors import PushRejected, RemoteMissing
from bot.domain.lifecycle import Outcome, Phase
from bot.reports.incidents import in_words, incident
from bot.runs.leased_run import Attempt, Cancelled
from bot.sandbox.export import take
from bot.store import runs

# What a run's failure is called where nothing more is known than the phase it happened in.
FAILED_IN = {
    Phase.PREPARE: Outcome.PREPARE_FAILED,
    Phase.AGENT: Outcome.LOST,
    Phase.EXPORT: Outcome.EXPORT_REFUSED,
    Phase.PUSH: Outcome.PUSH_REJECTED,
    Phase.REPORT: Outcome.LOST,
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a run ends, in the table's word and in one or two sentences."""

    outcome: Outcome
    reason: str = ""
    say_next: str = ""  # where the table's own next command would not help


def verdict_on(attempt: Attempt, error: Exception) -> Verdict:
    """Return how a run ends whose work this error ended."""
    match error := known(error):
        case Cancelled():
            return Verdict(Outcome.CANCELLED, _left_behind(attempt))
        case RemoteMissing():
            return Verdict(Outcome.REMOTE_MISSING, str(error))
        case PushRejected(moved=True):
            return Verdict(Outcome.PUSH_REJECTED, str(error), "/resume merge what was pushed")
    ours = remedy(error) is Remedy.LOOK
    reason = in_words(incident("run broke", error)) if ours else str(error)
    return Verdict(FAILED_IN[phase_of(attempt)], reason)


def _left_behind(attempt: Attempt) -> str:
    """Say that the work of a cancelled run is still in its workspace only; "" if it is not."""
    with attempt.house.ledger.read() as tx:
        run = runs.get(tx, attempt.run.id)
    if not run.agent_started or take.is_done(attempt.house.quarantine(run.task), run.id):
        return ""
    return "The agent's work has not been taken out of the workspace yet. It stays there."


def phase_of(attempt: Attempt) -> Phase:
    """Return the phase that the ledger has the run in."""
    with attempt.house.ledger.read() as tx:
        return runs.get(tx, attempt.run.id).phase
