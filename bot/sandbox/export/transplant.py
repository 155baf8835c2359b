"""Transplanting: the checked work of a task, put on another commit as one commit.

`reset` to that commit would not do: the files in the workspace are older, so other people's work would look
as if the agent had reverted it.
"""

from dataclasses import replace

from bot.domain.errors import DiskFull, GitFailed
from bot.git.commit_writer import write_commits
from bot.git.history import read_commit, trees
from bot.git.object_reader import object_reader
from bot.git.run import LIMITS, Objects, run
from bot.git.stderr import first_lines, is_disk_full
from bot.sandbox.export.rewrite import Style, body

_SECONDS = 120


def transplant(objects: Objects, style: Style, *, since: str, head: str, onto: str) -> str:
    """Put what the commits after `since` up to `head` change on the commit `onto`, as one commit.

    Return its id; `onto` if they change nothing there, "" if they conflict with it. The same arguments give
    the same id. Raises GitFailed, DiskFull, and the errors of the check of `objects`.
    """
    if since == head:
        return onto
    with object_reader(objects) as reader:
        last = read_commit(reader, head)
    [ours] = trees(objects, onto)
    # git 2.39 takes no merge base as an argument, so this commit makes `since` the merge base.
    stand_in = body(replace(last, tree=ours), [since], style)
    merged = _merged(objects, write_commits(objects, [stand_in])[0], head)
    if merged in ("", ours):
        return onto if merged else ""
    return write_commits(objects, [body(replace(last, tree=merged), [onto], style)])[0]


def _merged(objects: Objects, ours: str, theirs: str) -> str:
    """Return the tree of a merge; "" if the commits conflict."""
    args = ("merge-tree", "--write-tree", "--no-messages", ours, theirs)
    env, check = objects.borrowing(), objects.check
    done = run(*args, at=objects.path, env=env, seconds=_SECONDS, limits=LIMITS, check=check)
    if is_disk_full(done.stderr):
        raise DiskFull
    if done.status not in {0, 1}:
        raise GitFailed(f"git merge-tree failed: {first_lines(done.stderr)}")
    return "" if done.status else done.stdout.decode().strip()
