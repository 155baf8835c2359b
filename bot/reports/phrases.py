"""Parts of sentences that several texts share."""

from bot.domain.task import Task

FOLLOWED = "`/status` shows where it is, `/cancel` stops it."  # a run that is in line


def queue_position(position: int) -> str:
    """A place in line, as the end of a sentence."""
    return "next in line" if position == 1 else f"number {position} in line"


def busy(position: int) -> str:
    """What a run that has not ended does, as the end of a sentence. 0: it does not wait."""
    return f"waits, {queue_position(position)}" if position else "is running"


def pinned(commit: str) -> str:
    """That a task on a change keeps to the head the change had."""
    return f"It works on commit `{commit}`; later pushes to this change are not part of it."


def fresh_start(task: Task) -> str:
    """Where a run would go on from in a fresh clone, as part of a sentence."""
    if not task.checked_head:
        return "where the task began"
    return "the pushed branch" if task.checked_head == task.pushed_head else "the last commits made"
