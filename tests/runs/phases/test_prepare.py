"""Phase prepare: the checks before an agent starts, and the choices made once for a task."""

import fcntl
import threading
from dataclasses import replace

import pytest

from bot.domain.lifecycle import Phase, State
from bot.domain.outcomes import Outcome
from bot.domain.task import Run
from bot.runs.execute import execute
from bot.store import runs, tasks, workspaces
from bot.tasks.operator import resume_from_cli
from tests.support.claude_stand_in import KEEPS_SESSION, SESSION, printing, recorded, stand_in
from tests.support.services import free_port
from tests.support.worker_bench import Workshop, until


def test_without_free_space_nothing_is_fetched_or_created(shop: Workshop) -> None:
    run = shop.claimed()

    execute(replace(shop.runtime, free_space=1 << 60), run, threading.Event())

    ended = shop.now(run)
    assert (ended.outcome, ended.phase) == (Outcome.DISK_FULL, Phase.REPORT)
    assert "are free for workspaces, less than the 1,073,741,824 GiB" in ended.reason
    assert not any(
        (shop.runtime.data.root / name).exists() for name in ("mirrors", "quarantine", "workspaces")
    )
    with shop.runtime.ledger.read() as tx:
        assert workspaces.get(tx, run.task) is None
    assert [phase for phase, _, _ in shop.phases(run)] == [Phase.PREPARE, Phase.REPORT]


def test_a_base_branch_that_does_not_exist_is_named(shop: Workshop) -> None:
    run = shop.claimed(base="stable")

    execute(shop.agent("echo never > x"), run, threading.Event())

    ended = shop.now(run)
    assert (ended.outcome, ended.agent_started) == (Outcome.PREPARE_FAILED, False)
    assert ended.reason == "There is no branch `stable` in the repository."
    assert not shop.runtime.data.workspaces.exists()
    assert shop.branches() == []


def test_a_run_starts_from_the_requested_base(shop: Workshop) -> None:
    tree = shop.desk.git("mktree", stdin="")
    stable = shop.desk.git("commit-tree", "-m", "stable", tree)
    shop.desk.git("update-ref", "refs/heads/stable", stable)
    run = shop.claimed(base="stable")

    execute(shop.agent("test ! -e README.md; echo 1 > x"), run, threading.Event())

    task = shop.task(run)
    assert (task.base, task.base_head, task.state) == ("stable", stable, State.SUCCEEDED)
    assert shop.desk.git("rev-parse", f"{task.branch}~1") == stable


def test_a_missing_pinned_commit_is_named_with_the_next_command(shop: Workshop) -> None:
    run = shop.claimed()
    with shop.runtime.ledger.write() as tx:
        tasks.write(tx, run.task, pinned="c0ffee" + "0" * 34)

    execute(shop.agent("echo never > x"), run, threading.Event())

    ended = shop.now(run)
    assert (ended.outcome, ended.agent_started) == (Outcome.PREPARE_FAILED, False)
    assert ended.reason == (
        "Commit c0ffee0000 is not there any more: the change was rewritten after the command. "
        "`/run` starts from the change as it is now."
    )


def test_dashes_replace_slashes_in_branch_names_if_a_branch_is_named_like_the_prefix(shop: Workshop) -> None:
    shop.desk.git("update-ref", "refs/heads/forgehand", "refs/heads/main")

    run = shop.done("echo 1 > x")

    assert run.outcome is Outcome.PUSHED
    assert shop.branches() == ["forgehand", f"forgehand-tidy-the-parser-{run.task}"]
    assert shop.task(run).branch in shop.branches()


def test_the_mirror_retains_the_remote_heads_that_the_clone_has(shop: Workshop) -> None:
    run = shop.done("git rev-parse origin/main; git for-each-ref --format='%(refname)'")

    main = shop.desk.git("rev-parse", "main")
    assert (shop.mirror(run) / f"refs/keep/{run.task}/{main}").read_text().strip() == main
    branch = shop.task(run).branch
    shown = [main, f"refs/heads/{branch}", "refs/remotes/origin/main"]
    assert shop.printed(run).decode().split() == shown


def test_a_cancel_during_the_fetch_ends_the_run_before_the_agent(shop: Workshop) -> None:
    run = shop.claimed()
    lock = shop.mirror(run).with_suffix(".lock")
    lock.parent.mkdir()

    with lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with shop.busy(shop.agent("echo 1 > x"), run):
            until(lambda: [phase for phase, _, _ in shop.phases(run)] == [Phase.PREPARE])
            assert shop.cancel(run)
            fcntl.flock(held, fcntl.LOCK_UN)

    ended = shop.now(run)
    assert (ended.outcome, ended.state, ended.agent_started) == (Outcome.CANCELLED, State.CANCELLED, False)
    assert shop.task(run).state is State.CANCELLED
    assert (shop.branches(), shop.containers()) == ([], [])


def test_a_missing_remote_is_not_an_incident(shop: Workshop) -> None:
    run = shop.claimed()
    shop.desk.repository.rename(shop.desk.folder / "elsewhere")

    execute(shop.runtime, run, threading.Event())

    ended = shop.now(run)
    assert (ended.outcome, ended.agent_started) == (Outcome.REMOTE_MISSING, False)
    assert "incident" not in ended.reason


@pytest.mark.long
def test_a_remote_that_does_not_answer_is_retried_for_a_while_and_then_reported(shop: Workshop) -> None:
    run = shop.claimed(remote=f"http://127.0.0.1:{free_port()}/acme/anvil")

    execute(shop.runtime, run, threading.Event())

    ended = shop.now(run)
    assert ended.outcome is Outcome.PREPARE_FAILED
    assert "127.0.0.1" in ended.reason
    assert ended.started_at is not None
    assert ended.ended_at is not None
    assert 38 <= ended.ended_at - ended.started_at < 60


def test_a_later_run_resumes_the_last_session_if_its_file_is_there(shop: Workshop) -> None:
    def worked(script: str, agent: str = "shell") -> Run:
        """Execute one more run of the task by a stand-in that records its options."""
        run = shop.next()
        assert run is not None
        script = f'echo "$@" >> args; {KEEPS_SESSION}; {script}'
        execute(replace(shop.runtime, agents={agent: stand_in(script)}), run, threading.Event())
        return shop.now(run)

    def resume(agent: str = "") -> None:
        with shop.runtime.ledger.write() as tx:
            resume_from_cli(tx, first.task, "go on", agent=agent)

    shop.queued()
    first = worked(f"{printing(recorded('good')[:3])}; kill -9 $$")
    resume()
    second = worked(f"{printing(recorded('resumed'))}; rm -r ~/.claude")
    resume()
    third = worked(printing(recorded("good")))
    resume("other")
    fourth = worked(printing(recorded("good")), agent="other")

    assert (first.session, first.session_from, second.session_from) == (SESSION, "", SESSION)
    assert (third.session_from, fourth.session_from) == ("", "")
    options = shop.desk.git("cat-file", "blob", f"{shop.task(first).branch}:args").splitlines()
    assert [f"--resume {SESSION}" in each for each in options] == [False, True, False, False]
    assert [each.outcome for each in (second, third, fourth)] == [Outcome.PUSHED] * 3
    assert shop.task(first).agent == "other"
    with shop.runtime.ledger.read() as tx:
        assert [each.agent for each in runs.of_task(tx, first.task)] == ["shell", "shell", "shell", "other"]


@pytest.mark.long  # tests of the store check the rule, too
def test_a_session_that_could_not_be_resumed_is_not_tried_again(shop: Workshop) -> None:
    def worked(script: str) -> Run:
        run = shop.next()
        assert run is not None
        agents = {"shell": stand_in(f"{KEEPS_SESSION}; {script}")}
        execute(replace(shop.runtime, agents=agents), run, threading.Event())
        with shop.runtime.ledger.write() as tx:
            resume_from_cli(tx, run.task, "go on")
        return shop.now(run)

    shop.queued()
    first = worked(printing(recorded("good")))
    killed = worked("kill -9 $$")  # it is unknown whether it could have resumed
    failed = worked(f"{printing(recorded('no-session'))}; exit 1")
    last = worked(printing(recorded("good")))

    assert first.session == killed.session_from == failed.session_from == SESSION
    assert (killed.outcome, failed.outcome) == (Outcome.LOST, Outcome.AGENT_FAILED)
    assert (last.session_from, last.session) == ("", SESSION)
