"""GitHub's refusal of workflow files, in its words for each kind of token."""

import sys
from pathlib import Path

import pytest

from bot.domain.errors import PushRejected, WorkflowsRefused
from bot.git.bare_repository import make_bare
from bot.git.fetch import fetch
from bot.git.mirror import Mirror
from bot.git.push import push
from tests.sandbox.export_source import commit, git

WORKFLOW = "to create or update workflow `.github/workflows/ci.yml` without"
# A hook of this kind can give any reason (githooks(5)).
HOOK = r"""
import sys
def read():
    lines = []
    while (size := int(sys.stdin.buffer.read(4), 16)):
        lines.append(sys.stdin.buffer.read(size - 4).decode().rstrip("\n"))
    return lines
def write(*lines):
    for line in lines:
        sys.stdout.buffer.write(b"%04x" % (len(line.encode()) + 4) + line.encode())
    sys.stdout.buffer.write(b"0000")
    sys.stdout.buffer.flush()
options = "push-options" in read()[0]
write("version=1\0" + ("push-options" if options else ""))
ref = read()[0].split(" ", 2)[2]
if options:
    read()
write("ng " + ref + " " + REASON)
"""


def refused(folder: Path, reason: str) -> PushRejected:
    """Return the error of a push that the remote refuses for this reason."""
    (folder / "seed").mkdir()
    git(folder / "seed", "init", "-q")
    head = commit(folder / "seed", {"a": "1\n"})
    git(folder, "clone", "-q", "--bare", "seed", "remote.git")
    git(folder / "remote.git", "config", "receive.procReceiveRefs", "refs/heads")
    hook = folder / "remote.git" / "hooks" / "proc-receive"
    hook.write_text(f"#!{sys.executable} -I\nREASON = {reason!r}\n{HOOK}")
    hook.chmod(0o755)
    mirror = fetch(Mirror(folder / "mirrors" / "m.git"), f"file://{folder}/remote.git", {})
    make_bare(folder / "q.git")
    with pytest.raises(PushRejected) as caught:
        push(
            quarantine=folder / "q.git",
            mirror=mirror.path,
            url=mirror.url,
            headers={},
            branch="forgehand/1",
            oid=head,
            expected="",
        )
    return caught.value


@pytest.mark.parametrize(
    "reason",
    [
        f"refusing to allow a Personal Access Token {WORKFLOW} `workflow` scope",
        f"refusing to allow a GitHub App {WORKFLOW} `workflows` permission",
        f"refusing to allow an OAuth App {WORKFLOW} `workflow` scope",
        f"refusing to allow an integration {WORKFLOW} `workflows` permission",
    ],
)
def test_a_refusal_of_workflow_files_is_recognized_for_every_kind_of_token(
    tmp_path: Path, reason: str
) -> None:
    error = refused(tmp_path, reason)

    assert isinstance(error, WorkflowsRefused)
    assert reason in str(error)
    assert (error.moved, error.merge) == (False, "")


@pytest.mark.parametrize("reason", ["protected branch hook declined", "refusing to allow workflows"])
def test_another_refusal_is_none_of_workflow_files(tmp_path: Path, reason: str) -> None:
    assert not isinstance(refused(tmp_path, reason), WorkflowsRefused)
