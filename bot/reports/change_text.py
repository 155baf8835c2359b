"""Title and text of the change that the bot opens."""

from collections.abc import Sequence

from bot.domain.task import Run, Task, is_confidential
from bot.domain.thread import Kind
from bot.reports.command_syntax import reference
from bot.reports.phrases import name_of
from bot.text.sanitize import for_comment, reads_as_one

_REQUEST = 1_000  # characters of the request that are quoted
_SUMMARY = 20_000
_TITLE = 120  # characters of a title of the agent; a longer text is not used as a title


def title(run: Run, task: Task) -> str:
    """Return the agent's own title, or else that of the issue, or else the first line of the request.

    A confidential task is only named.
    """
    if is_confidential(task, run):
        return f"Task {task.id}"
    own = reads_as_one(run.title)
    if own and len(own) <= _TITLE:
        return own
    return task.thread.title if task.thread.kind is Kind.ISSUE else run.request.split("\n", 1)[0]


def body(run: Run, task: Task, page: str, *, secrets: Sequence[str]) -> str:
    """Write the text of the change that the bot opens, without anything that only members may read."""
    link = f"[Task `{task.id}`]({page})"
    if is_confidential(task, run):
        return link
    name = reference(task.thread)
    parts = [
        for_comment(run.summary, _SUMMARY, secrets),
        f"To continue on this branch, comment `/resume <what to change>` on {name}.",
        f"<details><summary>Made for {name}, asked by {name_of(run.asked_by)}</summary>",
        for_comment(run.request, _REQUEST, secrets),
        f"{link}\n\n</details>",
    ]
    return "\n\n".join(part for part in parts if part)
