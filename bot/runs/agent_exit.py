"""The end of an agent, decided from its own report and from the state of its container.

Neither is believed alone. Agents are known to fail with exit status 0, to succeed
and then not to end, and to be killed before they report anything.
"""

import signal
from dataclasses import replace

from bot.agents.agent import AgentReport
from bot.domain.outcomes import Outcome, RunVerdict
from bot.sandbox.engine.container_state import KILLED, Condition
from bot.text.units import moment

# Exit statuses of an agent that something else ended: the bot, or an engine that stops or restarts.
_STOPPED = frozenset({128 + signal.SIGTERM, KILLED})
# The engine reports this for a container that ended while the engine was away. An agent may exit with it too.
_UNKNOWN = 255
# With these, the container says nothing about the agent's success: a report that came before it counts.
_REPORT_COUNTS = frozenset({None, Outcome.LOST, Outcome.TIMED_OUT, Outcome.IDLE})


def of_container(condition: Condition | None, *, memory: str, watched: bool) -> RunVerdict:
    """Return the end of an agent as its container shows it.

    `memory` is the agent's limit, for the reason. `watched` means that the engine was there all the time,
    and so saw the exit itself.
    """
    if condition is None or condition.exit_status is None:
        return RunVerdict(Outcome.LOST, "Its container is not there any more.")
    status = condition.exit_status
    if status == 0:
        return RunVerdict(exit_status=0)
    if condition.out_of_memory:
        outcome, reason = Outcome.OUT_OF_MEMORY, f"It needed more than its {memory} of memory."
    elif status in _STOPPED or (status == _UNKNOWN and not watched):
        outcome = Outcome.LOST
        reason = (
            f"Its container was stopped from outside (exit status {status}), as when the engine restarts."
        )
        if status == KILLED:  # on a busy machine, engines miss some of the kills for memory
            reason += f" Or it needed more than its {memory} of memory, and the engine did not notice."
    else:
        outcome, reason = Outcome.AGENT_FAILED, f"It ended with exit status {status}."
    return RunVerdict(outcome, reason, exit_status=status)


def decide(verdict: RunVerdict, report: AgentReport | None, *, reports_end: bool) -> RunVerdict:
    """Return the end of an agent, from the verdict on its container and from its own report, if there is one.

    `reports_end` as in `Agent`: without a report such an agent has failed.
    """
    if verdict.exit_status is None and verdict.outcome not in _REPORT_COUNTS:
        return verdict
    if report and report.waits and verdict.outcome not in (None, Outcome.IDLE):
        report = None  # the agent had not reported its end yet
    if report is None:
        if verdict.may_continue and reports_end:
            return replace(verdict, outcome=Outcome.AGENT_FAILED, reason="It ended without a result.")
        return verdict
    if report.outcome is not None:
        return replace(verdict, outcome=report.outcome, reason=_reason(report))
    if verdict.outcome in _REPORT_COUNTS or (
        verdict.outcome is not Outcome.OUT_OF_MEMORY and verdict.exit_status in _STOPPED
    ):
        outcome = Outcome.QUESTION if report.question else None
        return replace(verdict, outcome=outcome, reason=report.question, summary=report.text)
    return replace(verdict, reason=f"{verdict.reason} It had said that it was done.", summary=report.text)


def _reason(report: AgentReport) -> str:
    if report.limited_until is None:
        return report.text
    return f"{report.text} The limit ends at {moment(report.limited_until)}."
