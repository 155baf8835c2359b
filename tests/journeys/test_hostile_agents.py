"""Agents that set traps in their clone, and an agent that rewrites pushed commits.

Each trap is a command that names a canary: a path on the host that no container has, or an address
that no container can reach. If the canary is touched, a program on the host ran the command. At the
end the test runs the same traps by hand, to show that they worked all along.
"""

import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from bot.domain.lifecycle import State
from bot.domain.outcomes import ENDINGS, Outcome
from bot.domain.task import Run, Task
from tests.journeys.world import World, shell
from tests.support.scripted_server import Server

WORK = "echo one > one.txt; git add one.txt; git commit -qm one; echo left > left.txt"
HOOKS = """
mkdir .git/evil
for name in pre-commit post-commit post-checkout post-index-change reference-transaction pre-push; do
  printf '#!/bin/sh\\n%s\\n' 'CANARY hook' > .git/evil/$name; chmod +x .git/evil/$name
done
git config core.hooksPath .git/evil
"""
MONITOR = "git config core.fsmonitor 'CANARY monitor; false'"
FILTER = """
git config filter.evil.clean 'CANARY filter; cat'
git config filter.evil.smudge 'CANARY filter; cat'
mkdir -p .git/info; echo '* filter=evil' > .git/info/attributes
"""
GITFILE = f"""
{MONITOR}
mv .git .elsewhere; echo 'gitdir: .elsewhere' > .git; echo .elsewhere > .elsewhere/info/exclude
"""
REDIRECTS = """
git config url.LISTENER/.insteadOf FORGE/
git config url.LISTENER/.pushInsteadOf FORGE/
"""


@dataclass(frozen=True, slots=True)
class Trap:
    """A trap, or several that fit into one clone.

    `script` runs after ordinary work. `triggered_by` are the git commands that would trigger them on the
    host, by the word that the canary then has.
    """

    script: str
    triggered_by: Mapping[str, Sequence[str]] = field(default_factory=dict)
    outcome: Outcome = Outcome.PUSHED


def _single(triggered: str, script: str) -> Trap:
    return Trap(script, {triggered: TRIGGERED_BY[triggered]})


TRIGGERED_BY = {
    "hook": ("commit", "-q", "--allow-empty", "-m", "x"),
    "monitor": ("status",),
    "address": ("ls-remote", "FORGE/acme/anvil.git"),
    "filter": ("hash-object", "--path=one.txt", "one.txt"),
}
TRAPS = {
    "settings and a fifo": Trap("\n".join((HOOKS, MONITOR, REDIRECTS, FILTER, "mkfifo pipe")), TRIGGERED_BY),
    "fifo in .git": Trap("mkfifo .git/pipe", outcome=Outcome.EXPORT_REFUSED),
    ".git as a file": Trap(GITFILE),
}
MORE_TRAPS = {
    "core.hooksPath": _single("hook", HOOKS),
    "core.fsmonitor": _single("monitor", MONITOR),
    "url.insteadOf": _single("address", REDIRECTS),
    "filter": _single("filter", FILTER),
    "fifo": Trap("mkfifo pipe"),
    "fifo in place of the config": Trap("rm .git/config; mkfifo .git/config", outcome=Outcome.EXPORT_REFUSED),
    "fifo in place of a file": Trap("rm README.md; mkfifo README.md", outcome=Outcome.EXPORT_REFUSED),
}


@dataclass
class Canary:
    """A file on the host and a server, which no trap may reach."""

    file: Path
    server: Server

    @property
    def triggered(self) -> set[str]:
        """Return the words of the traps that were triggered."""
        return {*self.file.read_text().split(), *(["address"] if self.server.asked else [])}

    def reset(self) -> None:
        self.file.write_text("")
        self.server.asked.clear()

    def names(self, world: World) -> dict[str, str]:
        """Return the values of the placeholders in the traps above."""
        address = f"http://127.0.0.1:{self.server.server_port}"
        return {
            "CANARY": f"echo >> {self.file}",
            "LISTENER": address,
            "FORGE": world.playground.url,
        }


@pytest.fixture(params=["github", pytest.param("gitlab", marks=pytest.mark.long)])
def forge(request: pytest.FixtureRequest) -> str:
    """Use one forge: an agent has the same access to its clone on both."""
    return str(request.param)


@pytest.fixture
def canary(tmp_path: Path) -> Iterator[Canary]:
    with Server.running() as server:
        made = Canary(tmp_path / "canary", server)
        made.reset()
        yield made


def _put(text: str, names: Mapping[str, str]) -> str:
    for name, meant in names.items():
        text = text.replace(name, meant)
    return text


def _ends(world: World, threads: Mapping[str, int], number: int) -> dict[str, tuple[Task, Run]]:
    return {name: world.task_after_run(number, on=thread) for name, thread in threads.items()}


def _host_git(world: World, task: Task, *args: str) -> None:
    """Run git on the host without protection, like a careless operator, with access to every object."""
    mirror = next((world.data / "mirrors").glob("*.git"))
    quarantine = world.data / "quarantine" / f"{task.id}.git"
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": "/nonexistent",
        "GIT_ALTERNATE_OBJECT_DIRECTORIES": f"{mirror / 'objects'}:{quarantine / 'objects'}",
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "safe.directory",
        "GIT_CONFIG_VALUE_0": "*",
    }
    repo = world.in_workspace(task) / "repo"
    subprocess.run(["git", *args], cwd=repo, env=environment, capture_output=True, timeout=30)


def _check_report(world: World, thread: int, task: Task, run: Run) -> None:
    """Check that the thread names outcome and next command, and that the branch has the work or is absent."""
    assert run.outcome
    ending = ENDINGS[run.outcome]
    said = world.final_comment(thread, run)
    assert said.startswith(f"{ending.mark} **")
    assert f"`{ending.next}`" in said
    assert task.state is ending.state
    if run.outcome is Outcome.PUSHED:
        tree = world.git("ls-tree", "-r", "--name-only", f"origin/{task.branch}").split()
        assert {"one.txt", "left.txt"} <= set(tree)
        assert not {"pipe", ".elsewhere", ".git"} & set(tree)
    else:
        assert "is neither a file nor a folder nor a link. Remove it." in said
        assert world.playground.branch_head(task.branch) is None


@pytest.mark.parametrize(
    "traps",
    [pytest.param(TRAPS, id="together"), pytest.param(MORE_TRAPS, id="alone", marks=pytest.mark.long)],
)
def test_traps_in_the_clone_are_not_triggered_and_the_next_task_succeeds(
    embedded: World, canary: Canary, traps: Mapping[str, Trap]
) -> None:
    world, names = embedded, canary.names(embedded)
    threads = {name: world.playground.open_issue(name) for name in traps}
    world.start()

    for name, trap in traps.items():
        world.say(threads[name], "/run " + shell(_put(WORK + "\n" + trap.script, names)))

    first = _ends(world, threads, 1)
    assert {name: run.outcome for name, (_, run) in first.items()} == {
        name: trap.outcome for name, trap in traps.items()
    }
    for name, (task, run) in first.items():
        _check_report(world, threads[name], task, run)
    assert not canary.triggered

    for thread in threads.values():
        world.say(thread, "/resume go on " + shell("rm -f README.md pipe; echo again > again.txt"))
    world.say(1, "/run " + shell(WORK))

    second = {**_ends(world, threads, 2), "the next task": world.task_after_run(1, on=1)}
    assert {name: run.outcome for name, (_, run) in second.items()} == dict.fromkeys(second, Outcome.PUSHED)
    for name, (task, run) in second.items():
        _check_report(world, threads.get(name, 1), task, run)
        assert name not in traps or world.git("show", f"origin/{task.branch}:again.txt") == "again"
    assert not canary.triggered
    for name, trap in traps.items():
        _trigger(world, canary, trap, second[name][0])


def _trigger(world: World, canary: Canary, trap: Trap, task: Task) -> None:
    """Check that each trap triggers when git is run in its clone."""
    for triggered, command in trap.triggered_by.items():
        _host_git(world, task, *(_put(word, canary.names(world)) for word in command))
        assert triggered in canary.triggered, f"{command} met no trap"
        canary.reset()


def test_an_amendment_of_a_pushed_commit_is_pushed_as_a_new_commit(embedded: World) -> None:
    embedded.start()
    embedded.say(1, "/run " + shell("echo one > one.txt; git add one.txt; git commit -qm one"))
    task, first = embedded.task_after_run(1)
    assert first.outcome is Outcome.PUSHED, first.reason
    pushed = task.pushed_head

    amends = "test $(git rev-parse HEAD) = $(git rev-parse origin/$FORGEHAND_BRANCH)\n"
    amends += "echo amended > one.txt; git commit -q --amend -am 'one, better'"
    embedded.say(1, "/resume better " + shell(amends))

    task, second = embedded.task_after_run(2)
    assert (second.outcome, task.state) == (Outcome.PUSHED, State.SUCCEEDED), second.reason
    assert "\u2705 **" in embedded.final_comment(1, second)
    log = embedded.git("log", "--reverse", "--format=%H", f"origin/main..origin/{task.branch}").split()
    assert log == [pushed, task.pushed_head]
    assert embedded.git("show", f"{pushed}:one.txt") == "one"
    assert embedded.git("show", f"{task.pushed_head}:one.txt") == "amended"

    embedded.say(1, "/resume more " + shell("echo more > more.txt"))

    task, third = embedded.task_after_run(3)
    assert third.outcome is Outcome.PUSHED, third.reason
    more = embedded.git("log", "--reverse", "--format=%H", f"origin/main..origin/{task.branch}").split()
    assert more == [*log, task.pushed_head]
    assert embedded.git("show", "--format=", "--name-only", task.pushed_head) == "more.txt"
