"""Workspaces in the runs of a task, on the real engine; the tests act as the agent."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from bot.domain.errors import SandboxFailed
from bot.sandbox.engine.containers import Mount
from tests.sandbox.task_workspace import BRANCH, FILES, TASK, Site, commit


def test_a_fresh_workspace_is_a_clean_checkout_without_a_remote(site: Site) -> None:
    assert not site.places.has(TASK)

    site.prepare(main=site.base)

    assert site.places.has(TASK)
    assert site.folder.stat().st_mode & 0o777 == 0o700
    printed = site.agent(
        "git status --porcelain; git symbolic-ref HEAD; git rev-parse HEAD origin/main; git remote; ls"
    )
    assert printed.split() == [f"refs/heads/{BRANCH}", site.base, site.base, "README.md", "src"]


def test_the_agent_can_read_its_prompt_and_write_its_result_but_no_other_shared_folder(site: Site) -> None:
    site.prepare()

    printed = site.agent(
        "cat /task/prompt.md; echo; echo {} >/task/out/result.json && echo yes;"
        "for f in /task /mirror/objects /quarantine/objects; do touch $f/x 2>/dev/null || echo no; done"
    )

    assert printed.split("\n") == ["prompt 1", "yes", "no", "no", "no"]


def test_a_retained_workspace_moves_to_the_checked_head_and_its_files_are_not_changed(site: Site) -> None:
    site.prepare()
    site.agent(
        "echo done >>README.md; git commit -qam mine; echo more >>src/main.py; echo new >n; echo note >~/note"
    )
    shutil.copytree(site.mirror / "objects", site.quarantine / "objects", dirs_exist_ok=True)
    checked = commit(site.quarantine, {**FILES, "README.md": "hello\ndone\n"}, site.base)

    site.prepare(start=checked)

    printed = site.agent("git rev-parse HEAD; git status --porcelain; cat ~/note n; tail -n 1 src/main.py")
    assert printed.split("\n") == [checked, " M src/main.py", "?? n", "note", "new", "more"]


def test_the_clone_has_exactly_the_refs_of_the_plan(site: Site) -> None:
    site.prepare(main=site.base, gone=site.base)
    moved = commit(site.mirror, {"README.md": "moved\n"}, site.base)

    site.prepare(main=moved, **{"change-7": site.base})

    refs = site.agent(
        "git for-each-ref --format='%(refname) %(objectname)' refs/remotes; git show origin/main:README.md"
    )
    assert refs.split("\n") == [
        f"refs/remotes/origin/change-7 {site.base}",
        f"refs/remotes/origin/main {moved}",
        "moved",
    ]


def test_the_agent_can_describe_commits_by_tags_whatever_tags_it_makes(site: Site) -> None:
    site.tags = {"v1": site.base, "old": site.base}
    site.prepare()
    assert site.agent("git describe --tags --match 'v*'") == "v1"
    site.agent("git commit -q --allow-empty -m 1; git tag v2/mine; git tag -f v1")
    # The name `v2` is not free, because the agent has a folder there.
    site.tags = {"v1": site.base, "v2": site.base, "v3": site.base}

    site.prepare()

    tags = site.agent("git for-each-ref --format='%(refname:lstrip=2) %(objectname)' refs/tags").split("\n")
    assert [each for each in tags if "mine" not in each] == [
        f"{name} {site.base}" for name in ("old", "v1", "v3")
    ]


def test_an_incomplete_clone_is_created_again(site: Site) -> None:
    site.prepare()
    site.agent("rm README.md; echo torn >.git/index; mkdir ro; touch ro/x; chmod 500 ro")
    (site.folder / "prepared").unlink()

    site.prepare()

    assert site.agent("git status --porcelain; ls") == "README.md\nsrc"


def test_a_missing_start_commit_is_reported(site: Site) -> None:
    with pytest.raises(SandboxFailed, match="nonexistent object"):
        site.prepare(start="1" * 40)

    assert not site.places.has(TASK)


def test_removal_handles_deep_and_unreadable_folders_and_special_files(site: Site) -> None:
    site.prepare()
    site.agent("""
        python3 -c 'import os
for _ in range(1500): os.mkdir("d" * 9); os.chdir("d" * 9)'
        cd ~; mkdir -p c/d; touch c/d/e; chmod 000 c/d; chmod 500 c
        mkfifo p /task/out/p; ln -s /nowhere l; touch .hidden ..odd -- -rf""")

    site.places.remove(TASK)

    assert not site.folder.exists()
    assert not site.places.has(TASK)
    site.places.remove(TASK)


def test_the_size_of_a_workspace_includes_all_readable_folders_of_the_agent(site: Site) -> None:
    site.prepare()
    before = site.places.size(TASK, name="forgehand-test-size")
    site.agent(
        "head -c 3000000 /dev/zero > large; mkdir ~/cache; head -c 2000000 /dev/zero > ~/cache/x;"
        "head -c 1000000 /dev/zero > /task/out/y; dd if=/dev/zero of=holes bs=1 count=1 seek=1000000000;"
        "mkdir hidden; head -c 3000000 /dev/zero > hidden/x; chmod 0 hidden"
    )

    grown = site.places.size(TASK, name="forgehand-test-size") - before

    assert before > 0
    assert 6_000_000 <= grown < 6_200_000


def test_a_session_exists_if_its_pattern_matches_a_file_with_content(site: Site) -> None:
    assert not site.prepare()
    site.agent("""
        cd; mkdir -p a/2026/11/b.jsonl 'a/of many words'
        echo printed >a/2026/11/rollout-9-one.jsonl; echo printed >'a/of many words/two.jsonl'
        : >a/2026/11/empty.jsonl; mkfifo a/2026/11/fifo.jsonl; ln -s /etc/passwd a/2026/11/link.jsonl
    """)

    found = {
        pattern: site.prepare(session_file=pattern, briefed_by=briefed_by)
        for pattern, briefed_by in (
            ("a/*/*/rollout-*-one.jsonl", site.base),
            ("a/of many words/two.jsonl", ""),
            ("a/*/*/rollout-*-two.jsonl", ""),
            ("a/*/*/[befl]*.jsonl", ""),
        )
    }

    assert [pattern for pattern, there in found.items() if there] == list(found)[:2]


@pytest.mark.parametrize("command", ["update-ref", "rev-parse"])
def test_the_clone_is_not_set_aside_because_something_killed_git_once(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    """In the container, git is always started by `timeout`."""
    site.prepare()
    site.agent("git config user.nickname mine")
    killing = tmp_path / "timeout"
    killing.write_text(
        f"#!/bin/sh\nshift 3\n[ $2 = {command} ] && mkdir /tmp/once && exec sh -c 'kill -9 $$'\nexec \"$@\"\n"
    )
    killing.chmod(0o755)
    shared = site.places._shared

    def with_killing(*args: Any) -> list[Mount]:
        return [*shared(*args), Mount(source=killing, target="/usr/bin/timeout")]

    with monkeypatch.context() as patch:
        patch.setattr(site.places, "_shared", with_killing)
        site.prepare()

    assert site.agent("git config user.nickname; ls ~") == "mine"
