"""Unusual repositories, titles and comments: very large, empty, or in other scripts."""

import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from bot.domain.outcomes import Outcome
from bot.playground.git import CLOSED
from bot.playground.state import Repository
from tests.journeys.world import Figures, World, shell
from tests.support.waiting import eventually

CHANGE = shell("echo one > one.txt")
FILES, COMMITS = 20_000, 5_000
LONGEST = 65_536  # characters of a comment on GitHub


@pytest.fixture
def forge() -> str:
    """Use one forge: the difficulty is in git and in the text, not in the forge."""
    return "github"


@pytest.fixture
def remote(embedded: World) -> Callable[..., str]:
    """Run git in the forge's own repository."""
    state = embedded.playground.ground.state
    folder = state.git_folder(state.all(Repository)[0])

    def run(*words: str, feed: bytes = b"") -> str:
        command = ["git", "--git-dir", str(folder), *words]
        return subprocess.run(
            command, input=feed, env=CLOSED, check=True, capture_output=True
        ).stdout.decode()

    return run


def long_history(files: int, commits: int) -> Iterator[str]:
    """Return input for `git fast-import`. Each commit adds the same number of files."""
    each = files // commits
    for number in range(commits):
        yield "commit refs/heads/main\ncommitter Ann <ann@example.org> 1750000000 +0000\ndata 3\nadd\n"
        if number == 0:
            yield "from refs/heads/main^0\n"
        for file in range(number * each, (number + 1) * each):
            words = f"file {file}\n"
            yield f"M 100644 inline part{file // 200}/file{file}.txt\ndata {len(words)}\n{words}\n"


def test_the_agent_sees_the_tags_and_pushes_none(embedded: World, remote: Callable[..., str]) -> None:
    remote("tag", "v1.0", "main")
    embedded.start()

    embedded.say(
        1, "/run " + shell("git describe --tags >version; git add version; git commit -qm 1; git tag v2")
    )

    task, run = embedded.task_after_run(1)
    assert run.outcome is Outcome.PUSHED, run.reason
    assert remote("show", f"{task.branch}:version") == "v1.0\n"
    assert remote("tag").split() == ["v1.0"]


@pytest.mark.long
def test_a_run_works_in_a_repository_of_many_files_and_commits(
    embedded: World, remote: Callable[..., str], figures: Figures
) -> None:
    remote("fast-import", "--quiet", feed="".join(long_history(FILES, COMMITS)).encode())
    assert int(remote("rev-list", "--count", "main")) > COMMITS
    embedded.start()

    embedded.say(1, "/run " + shell("echo changed > part7/file1400.txt; ls part*/* | wc -l > count.txt"))

    task, run = embedded.task_after_run(1)
    assert run.outcome is Outcome.PUSHED, run.reason
    assert run.started_at is not None
    assert run.ended_at is not None
    figures("a run on 20,000 files", run.ended_at - run.started_at, promised=20)
    assert remote("show", f"{task.branch}:count.txt").strip() == str(FILES)
    changed = remote("diff", "--name-only", f"main...{task.branch}").split()
    assert changed == ["count.txt", "part7/file1400.txt"]

    embedded.say(1, "/resume " + shell("test -s count.txt; echo again > part7/file1400.txt"))

    _, run = embedded.task_after_run(2)
    assert run.outcome is Outcome.PUSHED, run.reason


def test_a_run_in_an_empty_repository_fails_with_a_request_for_a_first_commit(
    embedded: World, remote: Callable[..., str]
) -> None:
    whole = remote("rev-parse", "main").strip()
    remote("update-ref", "-d", "refs/heads/main")
    embedded.start()
    embedded.say(1, "/run " + CHANGE)

    _, run = embedded.task_after_run(1)

    assert run.outcome is Outcome.PREPARE_FAILED
    final = embedded.final_comment(1, run)
    assert "The repository is empty: it needs a first commit" in final
    assert "/resume" in final

    remote("update-ref", "refs/heads/main", whole)
    embedded.say(1, "/resume")

    _, run = embedded.task_after_run(2)
    assert run.outcome is Outcome.PUSHED, run.reason


def test_a_default_branch_can_have_a_slash_and_cyrillic_letters_in_its_name(
    embedded: World, remote: Callable[..., str]
) -> None:
    state = embedded.playground.ground.state
    state.put(replace(state.all(Repository)[0], default_branch="release/ночь"))
    remote("branch", "-m", "main", "release/ночь")
    remote("symbolic-ref", "HEAD", "refs/heads/release/ночь")
    embedded.start()

    embedded.say(1, "/run " + CHANGE)

    task, run = embedded.task_after_run(1)
    assert run.outcome is Outcome.PUSHED, run.reason
    assert task.base == "release/ночь"
    [pull] = eventually(embedded.playground.pulls)
    assert pull["base"]["ref"] == "release/ночь"
    assert remote("rev-parse", f"{task.branch}^") == remote("rev-parse", "release/ночь")


def test_a_title_can_have_chinese_characters_and_emoji(embedded: World, remote: Callable[..., str]) -> None:
    number = embedded.playground.open_issue("修复解析器 🐛👩‍👩‍👧 `</title>`")
    embedded.start()

    embedded.say(number, "/run " + CHANGE)

    task, run = embedded.task_after_run(1, on=number)
    assert run.outcome is Outcome.PUSHED, run.reason
    assert task.branch.isascii()
    assert remote("rev-parse", task.branch).strip() == task.pushed_head
    [pull] = eventually(embedded.playground.pulls)
    assert "修复解析器 🐛" in pull["title"]
    assert "\u2705 **" in embedded.final_comment(number, run)


def test_a_comment_can_have_the_maximum_length_of_the_forge(
    embedded: World, remote: Callable[..., str]
) -> None:
    script = "cp /task/prompt.md prompt.txt"
    said = "/run " + shell(script) + "\n"
    said += "解析 🐛 " * ((LONGEST - len(said)) // 5)
    said += "." * (LONGEST - len(said))
    embedded.start()

    embedded.say(1, said)

    task, run = embedded.task_after_run(1)
    assert run.outcome is Outcome.PUSHED, run.reason
    prompt = remote("show", f"{task.branch}:prompt.txt")
    assert prompt.count("🐛") == said.count("🐛")
    assert len(embedded.final_comment(1, run)) <= LONGEST
    [pull] = eventually(embedded.playground.pulls)
    assert len(pull["body"]) <= LONGEST
