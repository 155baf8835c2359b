"""Phase prepare: fetch the mirror, make the workspace or bring the kept one up to date.

What is settled here once per task (base branch, first commit, branch name) is
never changed by a later run.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace

from bot.attempt import Attempt
from bot.briefing import briefing
from bot.elsewhere import begin_here, is_elsewhere
from bot.errors import GitFailed, RemoteMissing
from bot.gateway.gateway import token
from bot.model import Kind, Run, Task, is_confidential
from bot.moved import has_moved
from bot.sandbox import export, mirror
from bot.sandbox.mirror import Mirror
from bot.sandbox.power import INSTRUCTIONS, pathspecs
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
        if headers := forge.git_headers(url):
            return headers
    return {}


def mirror_key(task: Task) -> str:
    """Name of the repository's mirror; a renamed repository keeps it."""
    thread = task.thread
    if thread.repository_id:
        return f"{thread.forge}-{thread.repository_id}"
    return hashlib.sha256(thread.repository_url.encode()).hexdigest()[:20]


def fetch(attempt: Attempt) -> Mirror:
    """Fetch the mirror of the task's repository. Raises RemoteMissing, RemoteUnavailable, GitFailed."""
    mirrors, key = attempt.house.data / "mirrors", mirror_key(attempt.task)

    def once() -> Mirror:
        return mirror.fetch(mirrors, key, attempt.task.thread.repository_url, credentials(attempt))

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
    export.make_quarantine(house.quarantine(task.id))


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


def export_plan(attempt: Attempt, places: Workspaces, source: Mirror) -> export.Plan:
    """What export must know of the task and of this run."""
    task, run, house = attempt.task, attempt.run, attempt.house
    quarantine = house.quarantine(task.id)
    return export.Plan(
        task=task.id,
        run=run.id,
        name=attempt.helper("export"),
        workspace_mounts=places.mounts(task.id, run.number, source.path, quarantine),
        mirror=source.path,
        quarantine=quarantine,
        base_head=task.base_head,
        checked_head=task.checked_head,
        shown=source.kept(task.id),
        trusted_head=task.approved_head or task.pushed_head or _trusted_base(task, source),
        unchanged_from=task.pushed_head or task.base_head,
        succeeded=run.agent_outcome is None,
        author=house.identity,
        co_author=_co_author(attempt),
        title=_title(task, run),
        secrets=[*house.secrets, token(house.link_key, run.id)],
        as_before=pathspecs(INSTRUCTIONS) if task.pinned else (),
    )


def _trusted_base(task: Task, source: Mirror) -> str:
    """Where the work begins that a person may have to approve: a fork's own commits count."""
    return source.merge_base(task.base_head, task.base) if task.fork else task.base_head


def _title(task: Task, run: Run) -> str:
    """Of a commit that has no words of its own. Everybody who sees the branch reads it."""
    return f"Task {task.id}" if is_confidential(task, run) else run.request.strip().split("\n", 1)[0]


def _co_author(attempt: Attempt) -> str:
    """Who asked, by the address that forges hide people's own behind."""
    person, forge = attempt.run.asked_by, attempt.house.forge_of(attempt.task)
    if forge is None or attempt.by_operator:
        return ""
    thread = attempt.task.thread
    host = thread.repository_url.split("/")[2].split(":")[0]
    # https://docs.github.com/en/account-and-profile/how-tos/email-preferences/setting-your-commit-email-address
    # https://docs.gitlab.com/user/profile/#use-an-automatically-generated-private-commit-email
    joint = "-" if thread.forge == "gitlab" else "+"
    return f"{person.login} <{person.id}{joint}{person.login}@users.noreply.{host}>"
