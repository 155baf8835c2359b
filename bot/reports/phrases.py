"""Sentences, and parts of sentences, that several texts share."""

import re

from bot.domain.task import Run, Task
from bot.domain.thread import Actor
from bot.text.sanitize import inert_name

FOLLOW_UP = "`/status` shows where it is, `/cancel` stops it."  # after a run was queued

# About a run that could not continue in the workspace of the run before it.
NOTES_LOST = "untracked files and the agent's notes are lost"
STARTED_OVER = (
    f"The workspace of the previous run was removed: {NOTES_LOST}, and this run started in a fresh clone."
)
HOST_LOST = (
    "The machine that had the workspace has stopped responding: untracked files, commits that were "
    "not pushed and the agent's notes were lost with it; this run started with the pushed commits only."
)
HOST_STOPPED = (  # why such a run ended, if it could not start again
    "The machine that had the workspace has stopped responding. Untracked files, commits that were "
    "not pushed and the agent's notes are lost with it."
)
TO_THE_AGENT = (
    "The workspace of the last run was removed. This is a fresh clone with the work that was saved."
)


def name_of(person: Actor) -> str:
    """Return a person's name, which mentions nobody and may stand in HTML."""
    return re.sub(r"[<>&`]", "", inert_name(person.login))


def fresh_clone(*, started_over: bool, host_lost: bool) -> str:
    """State that a run started in a fresh clone, and why; "" if it did not."""
    return (HOST_LOST if host_lost else STARTED_OVER) if started_over else ""


def session(run: Run) -> str:
    """Report which session the agent works in; "" on a first run, or if the agent keeps no sessions."""
    if run.session_from:
        return "The agent continues the session of the previous run."
    if run.number > 1 and run.session:
        return "The agent began a new session, with a summary of the previous run."
    return ""


def with_question(reason: str, question: str) -> str:
    """Add the agent's question to the reason why the agent failed: the question may explain the failure."""
    return f"{reason} The agent had asked: {question}".strip() if question else reason


def queue_position(position: int) -> str:
    """Return a queue position as the end of a sentence; 1 is the next run to start."""
    return "next in the queue" if position == 1 else f"number {position} in the queue"


def busy(position: int) -> str:
    """Return the state of a run that has not ended, as the end of a sentence; position 0 is a running one."""
    return f"is queued, {queue_position(position)}" if position else "is running"


def pinned(commit: str) -> str:
    """State that a task on a change works on the commit that was the change's head."""
    return f"It works on commit `{commit}`; later pushes to this change are not part of it."


def moved(change: str, *, merged: bool, old_head: str, branch: str, base: str) -> str:
    """State why the work continues on a new branch; `old_head` is the last commit of the old one."""
    how = "merged" if merged else "closed without a merge, and its commits are not moved"
    return (
        f"Change {change} was {how}. The work continues on the new branch `{branch}`, which begins at "
        f"`{base}`. The old branch ended at `{old_head[:10]}`."
    )


def not_pushed(change: str, *, merged: bool) -> str:
    """State why a commit was not pushed to the branch of a change that has ended."""
    how = "merged" if merged else "closed"
    return (
        f"Change {change} was {how} before this push, so nobody would see the new commits. They are saved: "
        "a resumed run puts them on a new branch."
    )


def old_workflows(default: str) -> str:
    """State why GitHub refused workflow files that the work does not change."""
    return (
        f"GitHub refused the push: workflow files (`.github/workflows`) of `{default}` have changed since "
        "this work began, and the bot's token may not push other versions of them. The work itself changes "
        f"none of them, so a merge of `{default}` is enough. The merged files need an approval, as all "
        "changes to protected paths do."
    )


def new_workflows(default: str) -> str:
    """State why GitHub refused workflow files that the work changes, or that its branch has."""
    return (
        "GitHub refused the push: the branch has workflow files (`.github/workflows`) that differ from "
        f"those of `{default}`, and the bot's token lacks the permission *Workflows* (of a classic token: "
        "the scope `workflow`). After an operator has added it, `/resume` pushes this work."
    )


def fresh_start(task: Task) -> str:
    """Name the commits that a run in a fresh clone starts from, as part of a sentence."""
    if not task.checked_head:
        return "the commit that the task started from"
    return "the pushed branch" if task.checked_head == task.pushed_head else "the task's last commits"
