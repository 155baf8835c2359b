"""Phase prepare: fetch the mirror, make the workspace or bring the kept one up to date.

What is settled here once per task (base branch, first commit, branch name) is
never changed by a later run.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial

from bot.agents.registry import instruction_files
from bot.domain.errors import GitFailed, RemoteMissing
from bot.domain.interrupt import interruptible
from bot.domain.task import Task
from bot.domain.thread import Kind
from bot.git import mirror
from bot.git.bare_repository import make_bare
from bot.git.mirror import Mirror
from bot.runs.briefing import briefing
from bot.runs.failover import begin_here, is_on_another_host
from bot.runs.leased_run import LeasedRun
from bot.runs.renamed_repository import has_moved
from bot.sandbox.workspace import WorkspacePlan, Workspaces
from bot.store import leases, workspaces
from bot.store import runs as run_rows


@dataclass(frozen=True, slots=True)
class Seen:
    """What the clone is shown of the remote: names under refs/remotes/, and commit ids."""

    refs: Mapping[str, str]
    start: str  # commit the task's branch begins this run at


def credentials(leased: LeasedRun) -> dict[str, str]:
    """HTTP headers for the task's remote, minted now: tokens expire during long runs."""
    url = leased.task.thread.repository_url
    for forge in leased.runtime.forges.values():
        if headers := interruptible(partial(forge.git_headers, url), leased.check):
            return headers
    return {}


def fetch(leased: LeasedRun) -> Mirror:
    """Fetch the mirror of the task's repository. Raises RemoteMissing, RemoteUnavailable, GitFailed."""
    source = leased.runtime.mirror(leased.task)

    def once() -> Mirror:
        url = leased.task.thread.repository_url
        return mirror.fetch(source, url, credentials(leased), check=leased.check)

    try:
        return leased.retry(once)
    except RemoteMissing:
        if not has_moved(leased):
            raise
        return leased.retry(once)


def prepare(leased: LeasedRun, places: Workspaces) -> Mirror:
    """Bring the task's workspace to where this run begins, and write its prompt."""
    source = fetch(leased)
    _settle_once(leased, source)
    if is_on_another_host(leased):
        begin_here(leased, places, source)
    task, run = leased.task, leased.run
    seen = _seen(task, source)
    _hold(leased, source, seen)
    fresh = not places.has(task.id)
    session = _last_session(leased)
    plan = WorkspacePlan(
        task=task.id,
        run=run.number,
        name=leased.helper("prepare"),
        mirror=source.path,
        quarantine=leased.runtime.quarantine(task.id),
        branch=task.branch,
        start=seen.start,
        refs=seen.refs,
        session_file=_session_file(leased, session),
        instruction_files=instruction_files(),
        briefed_by=_briefed_by(task, source),
        check=leased.check,
    )
    there = leased.retry(lambda: places.prepare(plan))
    # Told to the agent only where its file is there: of an id alone it makes an error.
    _settle_session(leased, session if there else "")
    places.write_task(task.id, run.number, briefing(leased, seen.refs, fresh=fresh))
    return source


def _hold(leased: LeasedRun, source: Mirror, seen: Seen) -> None:
    """From here on nobody removes the workspace, nor lets go of what is kept for it."""
    task, runtime = leased.task, leased.runtime
    with runtime.ledger.write() as tx:
        leases.write(tx, leased.lease)
        workspaces.mark_in_use(tx, task.id, runtime.worker.host)
    source.retain_heads(task.id, [task.base_head, *seen.refs.values()])
    make_bare(runtime.quarantine(task.id))


def _last_session(leased: LeasedRun) -> str:
    with leased.runtime.ledger.read() as tx:
        return run_rows.session_before(tx, leased.run)


def _session_file(leased: LeasedRun, session: str) -> str:
    """Where this conversation lies, if the agent can go on with it; else ""."""
    agent = leased.runtime.agents.get(leased.task.agent)
    return agent.session_file(session) if agent and session else ""


def _settle_session(leased: LeasedRun, session: str) -> None:
    with leased.runtime.ledger.write() as tx:
        leases.write(tx, leased.lease, session_from=session)
    leased.run = replace(leased.run, session_from=session)


def _settle_once(leased: LeasedRun, source: Mirror) -> None:
    """Base branch, first commit and branch name: on the first run of the task only."""
    task = leased.task
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
    leased.record(base=base, base_head=task.pinned or heads[base], branch=branch)


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
