"""A workspace can be prepared again, whatever the agent did to its clone; the agent's files are retained."""

import pytest

from tests.sandbox.long_cases import only_long
from tests.sandbox.task_workspace import Site


@pytest.mark.parametrize(
    "hostile",
    [
        "rm .git/config; mkfifo .git/config",
        "git config core.fsmonitor 'touch /workspace/ran'; git config core.hooksPath /workspace/hooks;"
        "mkdir hooks; printf '#!/bin/sh\\ntouch /workspace/ran\\n' >hooks/reference-transaction;"
        "chmod +x hooks/*;"
        "cp -r hooks .git/hooks; touch .git/index.lock .git/HEAD.lock .git/packed-refs.lock",
        *only_long(
            "touch .git/index.lock .git/HEAD.lock .git/packed-refs.lock",
            "ln -sf /etc/passwd .git/HEAD",
            "rm .git/HEAD; mkfifo .git/HEAD",
            "rm .git/index; mkfifo .git/index",
            "mkfifo pipe; for name in config packed-refs index; do ln -sf ../pipe .git/$name; done",
            "echo garbage >.git/index",
            "echo ../.. >.git/commondir",
            "git replace HEAD $(git commit-tree -m x HEAD^{tree}); git checkout -q --detach",
            "cd .git/refs/remotes/origin; echo 'ref: refs/remotes/origin/main' >HEAD; cp HEAD x",
            "git symbolic-ref refs/heads/forgehand/1-tidy refs/heads/other",
        ),
    ],
)
def test_hostile_changes_to_the_clone_do_not_stop_the_next_run(site: Site, hostile: str) -> None:
    site.prepare()
    site.agent(f"echo mine >mine; {hostile}")

    site.prepare()

    printed = site.agent(
        "[ ! -e ran ] || echo RAN; ls ~; git rev-parse HEAD; cat mine;"
        "git -c core.fsmonitor=false status --porcelain -- mine README.md"
    )
    assert printed.split("\n") == [site.base, "mine", "?? mine"]


@pytest.mark.parametrize(
    "hostile",
    [
        "rm -rf .git; ln -s /mirror .git",
        *only_long(
            "git config core.worktree /tmp",
            "chmod 000 .git",
            "rm -rf .git",
            "rm -rf .git; echo 'gitdir: /tmp/x' >.git",
            "mv .git/objects ~/o; ln -s ~/o .git/objects",
            "echo '[' >.git/config",
            "git config core.bare true",
            "rm -rf .git/refs; touch .git/refs",
            "git update-ref -d refs/heads/forgehand/1-tidy; git update-ref refs/heads/forgehand HEAD",
        ),
    ],
)
def test_an_unusable_clone_is_set_aside_and_created_again(site: Site, hostile: str) -> None:
    site.prepare()
    site.agent(f"git checkout -q --detach; echo mine >mine; {hostile}")

    site.prepare()

    printed = site.agent(
        "git rev-parse HEAD; git status --porcelain; ls -d ~/broken-git-2 2>/dev/null || true"
    )
    lines = [site.base, "?? mine", "/home/agent/broken-git-2"]
    assert printed.split("\n") == (lines[:2] if hostile == "rm -rf .git" else lines)
