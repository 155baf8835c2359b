"""`/approve` on a thread with a commit that awaits approval."""

from bot.domain.outcomes import Outcome
from tests.support.commander import HEAD, Say


def test_the_reply_to_an_approval_names_the_commit_and_its_branch(say: Say) -> None:
    say("/run change the CI")
    task = say.worked(Outcome.HELD, checked_head=HEAD)

    reply = say(f"/approve {HEAD[:10]}")

    assert reply == (
        f"Commit `{HEAD}` of task `{task.id}` is approved. Its push to `{task.branch}` is next in the queue."
    )
