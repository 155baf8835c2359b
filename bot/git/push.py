"""Pushing one checked commit to one branch of the real remote.

`--force-with-lease` alone would let a commit replace one that is not its ancestor,
so ancestry is checked first, in our own repositories.
"""

import re
from collections.abc import Collection, Mapping
from pathlib import Path

from bot.domain.errors import (
    DiskFull,
    PushRejected,
    RemoteMissing,
    RemoteUnavailable,
    WorkflowsRefused,
)
from bot.domain.interrupt import Check, uninterrupted
from bot.git.remote import access_problem, network_environment, remote_failure
from bot.git.run import Finished, Objects, run
from bot.git.stderr import clean, first_lines

_SECONDS = 600
_ARGS = ("push", "--porcelain", "--no-verify", "--no-follow-tags", "--no-recurse-submodules")
_REFUSAL = re.compile(r"^!\t[^\t]*\t\[(?:remote )?(?:rejected|failure)\] \((.*)\)$", re.MULTILINE)
# Reasons that mean that the branch has moved. The remote prints them, or our own git if it knows already.
_MOVED = re.compile(r"stale info|fetch first|non-fast-forward|but expected|reference already exists")
# Another push has locked the ref, for instance a git process that outlived its killed worker.
_BUSY = re.compile(r"cannot lock ref .*\.lock': File exists")
# GitHub's words. Each kind of token has its own name in them.
_WORKFLOWS = re.compile(r"refusing to allow an? .+ to create or update workflow")


def push(
    *,
    quarantine: Path,
    mirror: Path,
    url: str,
    headers: Mapping[str, str],
    branch: str,
    oid: str,
    expected: str,
    never: Collection[str] = (),
    since: str = "",
    check: Check = uninterrupted,
) -> None:
    """Move `branch` from `expected` ("" = it does not exist) to `oid`. No error if it is at `oid` already.

    Branches in `never` are refused. `since`, of a person's branch, is the commit that the task last pushed
    to it, else its head when the task began; "" for other branches. A push is refused if the branch has been
    deleted since, or reset to an ancestor of `since`.

    Raises PushRejected (with `moved` set if somebody else pushed to the branch), WorkflowsRefused,
    RemoteMissing, RemoteUnavailable (worth a retry), DiskFull, GitFailed if git takes too long or cannot
    read a commit, and the errors of `check`, which is called while git works. After an error of `check` the
    result is unknown, and only another push can tell.
    """
    if branch in never:
        raise PushRejected(f"`{branch}` is not a branch the bot pushes to.")
    objects = Objects(quarantine, (mirror,), check)
    _must_go_forward(objects, branch, oid, expected=expected, since=since)
    ref = f"refs/heads/{branch}"
    lease = f"--force-with-lease={ref}:{expected}"
    args = (*_ARGS, lease, "--", url, f"{oid}:{ref}")
    env = {**objects.borrowing(), **network_environment(url, headers)}
    done = run(*args, at=quarantine, env=env, seconds=_SECONDS, check=check)
    if done.status:
        raise _failure(done, branch, url, headers)


def _must_go_forward(objects: Objects, branch: str, oid: str, *, expected: str, since: str) -> None:
    if since and (not expected or (expected != since and objects.is_ancestor(expected, since))):
        raise PushRejected(
            f"`{branch}` was deleted or reset to an older commit, and the bot does not undo that."
        )
    if expected and not objects.is_ancestor(expected, oid):
        raise PushRejected(
            f"`{branch}` is at {expected[:10]}, which is not an ancestor of the new work.", moved=True
        )


def _failure(
    done: Finished, branch: str, url: str, headers: Mapping[str, str]
) -> PushRejected | RemoteMissing | RemoteUnavailable | DiskFull:
    if refusal := _REFUSAL.search(done.stdout.decode(errors="replace")):
        reason = clean(refusal[1])
        if _BUSY.search(done.stderr):
            return RemoteUnavailable(f"Cannot update `{branch}`: another push to it is in progress.")
        if _MOVED.search(reason):
            return PushRejected(f"Somebody else pushed to `{branch}` meanwhile.", moved=True)
        kind = WorkflowsRefused if _WORKFLOWS.search(reason) else PushRejected
        return kind(f"The remote refused `{branch}`: {reason}. {_remote_message(done)}".rstrip(". ") + ".")
    if reason := access_problem(done.stderr, url, headers):
        return PushRejected(f"{reason} {_remote_message(done)}".strip())
    failure = remote_failure(done.stderr, url, headers)
    if isinstance(failure, RemoteMissing | RemoteUnavailable | DiskFull):
        return failure
    return PushRejected(str(failure))


def _remote_message(done: Finished) -> str:
    """Return the first lines that the remote itself printed."""
    lines = [line.removeprefix("remote:") for line in done.stderr.splitlines() if line.startswith("remote:")]
    return first_lines("\n".join(lines), most=5)
