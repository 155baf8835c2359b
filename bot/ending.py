"""How an agent ended: what it says itself, and what the engine says of its container.

Neither is believed alone. Agents are known to fail with exit status 0, to succeed
and then not to end, and to be killed with nothing said.
"""

import signal
from dataclasses import replace

from bot.agents.agent import Result
from bot.bounds import Ended
from bot.model import Outcome
from bot.times import moment

# Of who was told to end: by us, after its result.
_STOPPED = frozenset({128 + signal.SIGTERM, 128 + signal.SIGKILL})
_GONE = frozenset({None, Outcome.LOST})  # it ended, or is not there: no limit of ours was passed


def judge(ended: Ended, result: Result | None, *, says_end: bool) -> Ended:
    """How it ended, where the engine says `ended`. `says_end`: all is well only with a result."""
    if ended.exit_status is None and ended.outcome not in _GONE:
        return ended
    if result is None:
        if ended.outcome is None and says_end:
            return replace(ended, outcome=Outcome.AGENT_FAILED, reason="It ended without a result.")
        return ended
    if result.outcome is not None:
        return replace(ended, outcome=result.outcome, reason=_words(result))
    if ended.outcome in _GONE or (
        ended.outcome is not Outcome.OUT_OF_MEMORY and ended.exit_status in _STOPPED
    ):
        asks = Outcome.QUESTION if result.question else None
        return replace(ended, outcome=asks, reason=result.question, said=result.text)
    return replace(ended, reason=f"{ended.reason} It had said that it was done.", said=result.text)


def _words(result: Result) -> str:
    if result.limited_until is None:
        return result.text
    return f"{result.text} The limit ends at {moment(result.limited_until)}."
