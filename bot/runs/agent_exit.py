"""How an agent ended: what it says itself, and what the engine says of its container.

Neither is believed alone. Agents are known to fail with exit status 0, to succeed
and then not to end, and to be killed with nothing said.
"""

import signal
from dataclasses import replace

from bot.agents.agent import AgentReport
from bot.domain.lifecycle import Outcome
from bot.runs.agent_limits import Ended
from bot.sandbox.engine.containers import Condition
from bot.text.units import moment

# Exit statuses of who is ended by another: by us, or by an engine that stops or restarts.
_STOPPED = frozenset({128 + signal.SIGTERM, 128 + signal.SIGKILL})
_UNKNOWN = 255  # what the engine says of a container that ended without it. An agent may say it, too.
# It ended, or is not there, or did not end in time: what it had said of its end counts.
_UNSEEN = frozenset({None, Outcome.LOST, Outcome.TIMED_OUT, Outcome.IDLE})


def of_container(condition: Condition | None, *, memory: str, watched: bool) -> Ended:
    """How it ended, as the engine tells. `memory`: what it had; `watched`: the engine was there to see it."""
    if condition is None or condition.exit_status is None:
        return Ended(Outcome.LOST, "Its container is not there any more.", None)
    status = condition.exit_status
    if status == 0:
        return Ended(None, "", 0)
    if condition.out_of_memory:
        return Ended(Outcome.OUT_OF_MEMORY, f"It needed more than its {memory} of memory.", status)
    if status in _STOPPED or (status == _UNKNOWN and not watched):
        words = f"Its container was stopped from outside (exit status {status}), as when the engine restarts."
        return Ended(Outcome.LOST, words, status)
    return Ended(Outcome.AGENT_FAILED, f"It ended with exit status {status}.", status)


def decide(ended: Ended, result: AgentReport | None, *, reports_end: bool) -> Ended:
    """How it ended, where the engine says `ended`. `says_end`: all is well only with a result."""
    if ended.exit_status is None and ended.outcome not in _UNSEEN:
        return ended
    if result and result.waits and ended.outcome not in (None, Outcome.IDLE):
        result = None  # it had not said that it was done
    if result is None:
        if ended.outcome is None and reports_end:
            return replace(ended, outcome=Outcome.AGENT_FAILED, reason="It ended without a result.")
        return ended
    if result.outcome is not None:
        return replace(ended, outcome=result.outcome, reason=_words(result))
    if ended.outcome in _UNSEEN or (
        ended.outcome is not Outcome.OUT_OF_MEMORY and ended.exit_status in _STOPPED
    ):
        asks = Outcome.QUESTION if result.question else None
        return replace(ended, outcome=asks, reason=result.question, said=result.text)
    return replace(ended, reason=f"{ended.reason} It had said that it was done.", said=result.text)


def _words(result: AgentReport) -> str:
    if result.limited_until is None:
        return result.text
    return f"{result.text} The limit ends at {moment(result.limited_until)}."
