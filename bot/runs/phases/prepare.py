"""Phase prepare: fetch the mirror, and create the workspace or bring the retained one up to date.

The first run of a task chooses its base branch, first commit and branch name. Later
runs never change them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial

from bot.agents.registry import instruction_files
from bot.domain.errors import BranchMissing, GitFailed, RemoteMissing
from bot.domain.interrupt import interruptible
from bot.domain.task import Task
from bot.domain.thread import Kind
from bot.git.bare_repository import make_bare
from bot.git.fetch import fetch as fetch_mirror
from bot.git.mirror import Mirror
from bot.runs.briefing import briefing
from bot.runs.ended_change import leave_ended_change, transplanted
from bot.runs.failover import begin_here, is_on_another_host
from bot.runs.leased_run import LeasedRun
from bot.runs.renamed_repository import record_rename
from bot.sandbox.workspace import Workspaces
from bot.sandbox.workspace_plan import WorkspacePlan
from bot.store import claims, leases, workspaces
from bot.store import runs as run_rows


@dataclass(frozen=True, slots=True)
class RemoteView:
    """The remote's branches, as the agent's clone sees them. `refs`: ids by name below refs/remotes/."""

    refs: Mapping[str, str]
    start: str  # commit of the task's branch at the start of this run


def credentials(leased: LeasedRun) -> dict[str, str]:
    """Return HTTP headers for the task's remote. They are new each time: tokens expire during long runs."""
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
        return fetch_mirror(source, url, credentials(leased), check=leased.check)

    try:
        return leased.retry(once)
    except RemoteMissing:
        if not record_rename(leased):
            raise
        return leased.retry(once)


def prepare(leased: LeasedRun, places: Workspaces) -> Mirror:
    """Bring the task's workspace to the start of this run, and write the prompt."""
    source = fetch(leased)
    leased.retry(partial(_begin, leased, places, source))
    leave_ended_change(leased, source)
    plan = leased.retry(partial(_plan, leased, places, source))
    task, run = leased.task, leased.run
    fresh = not places.has(task.id)
    prepared = leased.retry(lambda: places.prepare(plan))
    if plan.before and prepared.moved:
        leased.record(checked_head="" if plan.start == task.base_head else plan.start, left_head="")
    # An agent that is given the id of a session without its file ends with an error.
    _record_session(leased, _last_session(leased) if prepared.has_session else "")
    submodules = leased.retry(lambda: source.submodules(task.base_head))
    places.write_prompt(task.id, run.number, briefing(leased, plan.refs, submodules, fresh=fresh))
    return source


def _begin(leased: LeasedRun, places: Workspaces, source: Mirror) -> None:
    """Choose the task's base and branch on its first run, and its start on another host."""
    _choose_base(leased, source)
    if is_on_another_host(leased):
        begin_here(leased, places, source)


def _plan(leased: LeasedRun, places: Workspaces, source: Mirror) -> WorkspacePlan:
    """Choose the start of this run, and keep its commits and its workspace from removal."""
    start = transplanted(leased, source)
    task, run = leased.task, leased.run
    view = _remote_view(task, source)
    uid = _reserve(leased, source, view)
    return WorkspacePlan(
        task=task.id,
        run=run.number,
        name=leased.helper("prepare"),
        mirror=source.path,
        quarantine=leased.runtime.quarantine(task.id),
        branch=task.branch,
        start=start or view.start,
        before=view.start if start else "",
        refs=view.refs,
        tags=source.tags(task.base_head),
        session_file=_session_file(leased, _last_session(leased)),
        instruction_files=instruction_files(),
        briefed_by=_briefed_by(task, source),
        uid=uid,
        check=leased.check,
    )


def _reserve(leased: LeasedRun, source: Mirror, view: RemoteView) -> int | None:
    """Keep the workspace from removal, and its commits in the mirror from garbage collection.

    Return the user id of the workspace; None for the engine's default one.
    """
    task, runtime = leased.task, leased.runtime
    with runtime.ledger.write() as tx:
        claims.exclude_claimers(tx)  # before the run's row is locked, as a takeover does
        leases.write(tx, leased.lease)
        uid = workspaces.mark_in_use(tx, task.id, runtime.worker.host, runtime.worker.uids)
    source.retain_heads(task.id, [task.base_head, *view.refs.values()])
    make_bare(runtime.quarantine(task.id))
    return uid


def _last_session(leased: LeasedRun) -> str:
    with leased.runtime.ledger.read() as tx:
        return run_rows.session_before(tx, leased.run)


def _session_file(leased: LeasedRun, session: str) -> str:
    """Return the file of this session below the agent's home; "" if the agent cannot resume it."""
    agent = leased.runtime.agents.get(leased.task.agent)
    return agent.session_file(session) if agent and session else ""


def _record_session(leased: LeasedRun, session: str) -> None:
    with leased.runtime.ledger.write() as tx:
        leases.write(tx, leased.lease, session_from=session)
    leased.run = replace(leased.run, session_from=session)


def _choose_base(leased: LeasedRun, source: Mirror) -> None:
    """Choose base branch, first commit and branch name, on the first run of the task only."""
    task = leased.task
    if task.base_head:
        return
    base = task.base or source.default_branch
    prefix = task.branch.split("/", 1)[0]
    heads = source.heads(base, prefix)
    if base not in heads:
        raise BranchMissing(f"There is no branch `{base}` in the repository.")
    if task.pinned and not source.has(task.pinned):
        raise GitFailed(
            f"Commit {task.pinned[:10]} is not there any more: the change was rewritten after the command. "
            "`/run` starts from the change as it is now."
        )
    branch = task.branch
    # If the remote has a branch named like our prefix, git allows no branches below it.
    if prefix in heads and not task.here:
        branch = branch.replace("/", "-")
    leased.record(base=base, base_head=task.pinned or heads[base], branch=branch)


def _remote_view(task: Task, source: Mirror) -> RemoteView:
    heads = source.heads(source.default_name, task.base, task.branch)
    refs = {f"origin/{name}": head for name, head in heads.items()}
    if task.thread.kind is Kind.CHANGE:
        # Of a fork only the commit that a person has seen: other people may push there.
        head = task.pinned if task.fork else source.change_head(task.thread.number)
        refs |= {f"origin/change-{task.thread.number}": head} if head else {}
    return RemoteView(refs=refs, start=task.checked_head or task.base_head)


def _briefed_by(task: Task, source: Mirror) -> str:
    """Return the commit whose instruction files the agent is shown; "" = those of the branch it works on.

    For a change from a fork it is the newest commit of the target branch, because the fork's author chose the
    commit on which the change is based. For a change from this repository it is the newest commit of the
    default branch: the target branch is not stored, and members of the repository wrote the change. Raises
    GitFailed if a fork's target branch is gone.
    """
    if not task.pinned:
        return ""
    head = source.head(task.base if task.fork else source.default_name)
    if not head and task.fork:
        raise BranchMissing(f"There is no branch `{task.base}` in the repository.")
    return head
