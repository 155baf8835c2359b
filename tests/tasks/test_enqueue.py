"""The names of branches are valid for git with any title of the thread."""

import subprocess
from dataclasses import replace

import pytest

from bot.reports.phrases import queue_position
from bot.tasks.enqueue import branch_of
from tests.support.commander import ISSUE


@pytest.mark.parametrize(
    ("title", "branch"),
    [
        ("Tidy the parser", "forgehand/12-tidy-the-parser-abcd2345"),
        ("Añadir un café", "forgehand/12-anadir-un-cafe-abcd2345"),
        ("パーサーを整理する", "forgehand/12-abcd2345"),
        ("", "forgehand/12-abcd2345"),
        ("../../etc/passwd.lock", "forgehand/12-etc-passwd-lock-abcd2345"),
        ("--force; rm -rf ~ `x` $(y)\n\x00", "forgehand/12-force-rm-rf-x-y-abcd2345"),
        ("@{-1}", "forgehand/12-1-abcd2345"),
        ("word " * 60, "forgehand/12-word-word-word-word-word-word-word-word-abcd2345"),
    ],
)
def test_a_branch_name_has_number_title_and_task(title: str, branch: str) -> None:
    named = branch_of(replace(ISSUE, title=title), "abcd2345", named=True)

    assert named == branch
    assert subprocess.run(["git", "check-ref-format", f"refs/heads/{named}"], check=False).returncode == 0


def test_a_branch_name_without_a_thread_has_no_number() -> None:
    assert branch_of(replace(ISSUE, number=0), "abcd2345", named=True) == "forgehand/tidy-the-parser-abcd2345"


def test_the_text_of_a_queue_position() -> None:
    assert [queue_position(1), queue_position(2)] == ["next in the queue", "number 2 in the queue"]
