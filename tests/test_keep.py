"""How long a workspace stays, and who may say so."""

from bot.keep import KEEP
from bot.model import State


def test_workspaces_are_kept_two_days_after_success_and_seven_otherwise() -> None:
    days = {state: seconds / 86400 for state, seconds in KEEP.items()}

    assert days == {State.SUCCEEDED: 2, State.FAILED: 7, State.CANCELLED: 7, State.WAITING: 7}
