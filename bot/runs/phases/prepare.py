"""Phase prepare: fetch the mirror, make the workspace or bring the kept one up to date.

What is settled here once per task (base branch, first commit, branch name) is
never changed by a later run.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial

from bot.domain.errors import GitFailed, RemoteMissing
from bot.domain.interrupt import interruptible
from bot.domain.task import Task
from bot.domain.thread import Kind
from bot.git import mirror
from bot.git.bare_repository import make_bare
from bot.git.mirror import Mirror
from bot.runs.briefing import briefing
from bot.runs.failover import begin_here, is_elsewhere
from bot.runs.leased_run import Attempt
from bot.runs.renamed_repository import has_moved
from bot.sandbox.workspace import Plan, Workspaces
from bot.store import leases, runs, workspaces


@dataclass(frozen=True, slots=True)
class Seen:
    """What the clone is shown of the remote: names under refs/remotes/, and commit ids."""

    refs: Mapping[str, str]
    start: str  # commit the task's branch begins this run at


def credentials(attempt: Attempt) -> dict[str, str]:
    """HTTP headers for the task's remote, minted now: tokens expire during long runs."""
    url = attempt.task.thread.repository_url
    for forge in attempt.house.forges.values():
        if headers := interruptible(partial(forge.git_headers, url), attempt.check):
            return headers
    return {}


def fetch(attempt: Attempt) -> Mirror:
    """Fetch the mirror of the task's repository. Raises RemoteMissing, RemoteUnavailable, GitFailed."""
    source = attempt.house.mirror(attempt.task)

    def once() -> Mirror:
        url = attempt.task.thread.repository_url
        return mirror.fetch(source, url, credentials(attempt), check=attempt.check)

    try:
        return attempt.retrying(once)
    except RemoteMissing:
        if not has_moved(attempt):
            raise
        return attempt.retrying(once)


def prepare(attempt: Attempt, places: Workspaces) -> Mirror:
    """Bring the task's workspace to where this run begins, and write its prompt."""
    source = fetch(attempt)
    _settle_once(attempt, source)
    if is_elsewhere(attempt):
        begin_here(attempt, places, source)
    task, run = attempt.task, attempt.run
    seen = _seen(task, source)
    _hold(attempt, source, seen)
    fresh = not places.has(task.id)
    session = _last_session(attempt)
    plan = Plan(
        task=task.id,
        run=run.number,
        name=attempt.helper("prepare"),
        mirror=source.path,
        quarantine=attempt.house.quarantine(task.id),
        branch=task.branch,
        start=seen.start,
        refs=seen.refs,
        session_file=_session_file(attempt, session),
        briefed_by=_briefed_by(task, source),
        check=attempt.check,
    )
    there = attempt.retrying(lambda: places.prepare(plan))
    # Told to the agent only where its file is there: of an id alone it makes an error.
    _settle_session(attempt, session if there else "")
    places.write_task(task.id, run.number, briefing(attempt, seen.refs, fresh=fresh))
    return source


def _hold(attempt: Attempt, source: Mirror, seen: Seen) -> None:
    """From here on nobody removes the workspace, nor lets go of what is kept for it."""
    task, house = attempt.task, attempt.house
    with house.ledger.write() as tx:
        leases.write(tx, attempt.lease)
        workspaces.in_use(tx, task.id, house.worker.host)
    source.keep(task.id, [task.base_head, *seen.refs.values()])
    make_bare(house.quarantine(task.id))


def _last_session(attempt: Attempt) -> str:
    with attempt.house.ledger.read() as tx:
        return runs.session_before(tx, attempt.run)


def _session_file(attempt: Attempt, session: str) -> str:
    """Where this conversation lies, if the agent can go on with it; else ""."""
    agent = attempt.house.agents.get(attempt.task.agent)
    return agent.session_file(session) if agent and session else ""


def _settle_session(attempt: Attempt, session: str) -> None:
    with attempt.house.ledger.write() as tx:
        leases.write(tx, attempt.lease, session_from=session)
    attempt.run = replace(attempt.run, session_from=session)


def _settle_once(attempt: Attempt, source: Mirror) -> None:
    """Base branch, first commit and branch name: on the first run of the task only."""
    task = attempt.task
    if task.base_head:
        return
    base = task.base or source.default_branch
    prefix = task.branch.split("/", 1)[0]
    heads = source.heads(base, prefix)
    if base not in heads:
        raise GitFailed(f"There is no branch `{base}` in the repository.")
    if task.pinned and not source.has(task.pinned):
        raise GitFailed(
            f"Commit {task.pinned[:10]} is not there any more: the change was rewritten after the command. "
            "`/run` starts from where it is now."
        )
    branch = task.branch
    # A branch named like our prefix leaves no room for branches below it.
    if prefix in heads and not task.here:
        branch = branch.replace("/", "-")
    attempt.settle(base=base, base_head=task.pinned or heads[base], branch=branch)


def _seen(task: Task, source: Mirror) -> Seen:
    heads = source.heads(source.default_name, task.base, task.branch)
    refs = {f"origin/{name}": head for name, head in heads.items()}
    if task.thread.kind is Kind.CHANGE:
        # Of a fork only what a person has seen: who may push there is not for this repository to say.
        head = task.pinned if task.fork else source.change_head(task.thread.number)
        refs |= {f"origin/change-{task.thread.number}": head} if head else {}
    return Seen(refs=refs, start=task.checked_head or task.base_head)


def _briefed_by(task: Task, source: Mirror) -> str:
    """Commit whose instruction files the agent is shown; "" = those of the branch it works on.

    Of a change, those that stand where it shall go, as they are now: its author chooses where it parted.
    Where a change of this repository goes is not kept, and members wrote it: there the default branch's do.
    Raises GitFailed where that branch is gone.
    """
    if not task.pinned:
        return ""
    found = source.head(task.base if task.fork else source.default_name)
    if not found and task.fork:
        raise GitFailed(f"There is no branch `{task.base}` in the repository.")
    return found
