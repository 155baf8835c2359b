"""Push one checked commit to one branch of the real remote, and nothing else.

`--force-with-lease` alone would let a commit replace one it does not descend from,
so descent is looked at first, in our own copies.
"""

import re
from collections.abc import Collection, Mapping
from pathlib import Path

from bot.domain.errors import DiskFull, PushRejected, RemoteMissing, RemoteUnavailable
from bot.domain.interrupt import Check, uninterrupted
from bot.git.remote import network, remote_failure
from bot.git.run import Finished, Objects, clean, first_lines, run

_SECONDS = 600
_ARGS = ("push", "--porcelain", "--no-verify", "--no-follow-tags", "--no-recurse-submodules")
_REFUSAL = re.compile(r"^!\t[^\t]*\t\[(?:remote )?(?:rejected|failure)\] \((.*)\)$", re.MULTILINE)
# In the remote's words, or in those of our own git when it knows without asking.
_MOVED = re.compile(r"stale info|fetch first|non-fast-forward|but expected|reference already exists")
# Another push holds the ref: that of a worker that was killed while its git went on, for one.
_BUSY = re.compile(r"cannot lock ref .*\.lock': File exists")
_FORBIDDEN = re.compile(r"error: 40[13]\b|Authentication failed|could not read (Username|Password)")


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
    """Move `branch` from `expected` ("" = it is not there) to `oid`; fine if it is at `oid` already.

    Raises PushRejected (its `moved`: somebody else pushed to the branch), RemoteMissing,
    RemoteUnavailable (worth a retry). `never` are branches no caller may mean. A branch that is not
    ours stood at `since`: it is neither made again nor brought forward again to where it was. `check` is
    called meanwhile. If it raises, nobody knows whether the branch was moved: push again to learn that.
    """
    if branch in never:
        raise PushRejected(f"`{branch}` is not a branch the bot pushes to.")
    objects = Objects(quarantine, (mirror,), check)
    _must_go_forward(objects, branch, oid, expected=expected, since=since)
    ref = f"refs/heads/{branch}"
    lease = f"--force-with-lease={ref}:{expected}"
    env = {**objects.borrowing(), **network(url, headers)}
    refspec = f"{oid}:{ref}"
    done = run(*_ARGS, lease, "--", url, refspec, at=quarantine, env=env, seconds=_SECONDS, check=check)
    if done.status:
        raise _failure(done, branch)


def _must_go_forward(objects: Objects, branch: str, oid: str, *, expected: str, since: str) -> None:
    if since and (not expected or (expected != since and objects.is_ancestor(expected, since))):
        raise PushRejected(f"`{branch}` was deleted or set back meanwhile, and is left so.")
    if expected and not objects.is_ancestor(expected, oid):
        raise PushRejected(
            f"`{branch}` is at {expected[:10]}, which the new work does not build on.", moved=True
        )


def _failure(done: Finished, branch: str) -> PushRejected | RemoteMissing | RemoteUnavailable | DiskFull:
    if refusal := _REFUSAL.search(done.stdout.decode(errors="replace")):
        reason = clean(refusal[1])
        if _BUSY.search(done.said):
            return RemoteUnavailable(f"Cannot update `{branch}`: another push is going on there.")
        if _MOVED.search(reason):
            return PushRejected(f"Somebody else pushed to `{branch}` meanwhile.", moved=True)
        return PushRejected(f"The remote refused `{branch}`: {reason}. {_told(done)}".rstrip(". ") + ".")
    if _FORBIDDEN.search(done.said):
        words = "The remote refused the push: the bot's token lacks the permission to write to it."
        return PushRejected(f"{words} {_told(done)}".strip())
    failure = remote_failure(done.said)
    if isinstance(failure, RemoteMissing | RemoteUnavailable | DiskFull):
        return failure
    return PushRejected(str(failure))


def _told(done: Finished) -> str:
    """What the remote itself had to say."""
    told = [line.removeprefix("remote:") for line in done.said.splitlines() if line.startswith("remote:")]
    return first_lines("\n".join(told), most=5)
