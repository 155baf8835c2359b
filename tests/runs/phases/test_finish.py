"""The end of a run: its outcome, its retention and all its messages in one transaction."""

import re
import threading
from dataclasses import replace

import pytest

from bot.agents.command_line import CommandLineAgent
from bot.app.worker import build_sender
from bot.domain.change import CheckState, Status
from bot.domain.errors import LeaseLost
from bot.domain.lifecycle import Phase, State
from bot.domain.outcomes import ENDINGS, Outcome
from bot.domain.task import Run, Task
from bot.domain.thread import Kind, Thread
from bot.reports import outbox_messages, sender
from bot.reports.outbox_messages import StatusMessage
from bot.runs.leased_run import LeasedRun
from bot.runs.phases.finish import finish
from bot.store import claims, leases, log_chunks, outbox, patches, runs, tasks, workspaces
from bot.store.ledger import Ledger, clock
from bot.tasks.retention import KEEP
from tests.support.commander import CHANGE, HEAD, ISSUE
from tests.support.fakes import FakeForge
from tests.support.rows import a_worker, add_run, add_task, lease_of
from tests.support.runtimes import TOKEN, a_runtime

OLD, NEW = "b" * 40, "d" * 40
# One outcome for each state, and those with an approval or a second next command: others hardly differ.
FEW = [
    *(Outcome.PUSHED, Outcome.NO_CHANGES, Outcome.AGENT_FAILED),
    *(Outcome.CANCELLED, Outcome.QUESTION, Outcome.HELD, Outcome.RATE_LIMITED),
]
OUTCOMES = [
    pytest.param(outcome, marks=[] if outcome in FEW else pytest.mark.long) for outcome in list(Outcome)
]
NOT_PUSHED = [each for each in OUTCOMES if each.values != (Outcome.PUSHED,)]
OPERATORS = Thread(
    forge="",
    repository_id=0,
    repository_url="file:///srv/anvil",
    path="anvil",
    kind=Kind.CLI,
    number=1,
    title="tidy",
)


class Ending:
    """A task on one thread, and the ends of its runs there."""

    def __init__(self, ledger: Ledger, thread: Thread) -> None:
        self.ledger, self.thread, self.forge = ledger, thread, FakeForge()
        self.nudged: list[str] = []
        self.runtime = a_runtime(ledger, self.forge, nudged=self.nudged)
        with ledger.write() as tx:
            self.task: Task = add_task(tx, thread)
            pinned = HEAD if thread.kind is Kind.CHANGE else ""
            tasks.write(tx, self.task.id, base="main", pinned=pinned)

    def begun(self, **of_run: str) -> LeasedRun:
        """Claim one more run of the task, and bring it to its last phase."""
        with self.ledger.write() as tx:
            claimed = claims.claim(tx, a_worker(), add_run(tx, self.task).id)
        return self.taken(claimed, **of_run)

    def taken(self, claimed: Run | None, **of_run: str) -> LeasedRun:
        """Bring a claimed run to its last phase."""
        lease = lease_of(claimed)
        with self.ledger.write() as tx:
            workspaces.mark_in_use(tx, self.task.id, "h1")
            leases.enter(tx, lease, Phase.PUSH)
            leases.write(tx, lease, **of_run)
            run, task = runs.get(tx, lease.run), tasks.get(tx, self.task.id)
        return LeasedRun(self.runtime, run, task, threading.Event())

    def end(self, outcome: Outcome, *, pushed: str = "", reason: str = "", **of_run: str) -> Run:
        """Take a run from its claim to its end; `pushed` is the head that it pushed, if any."""
        return self.ended(self.begun(**of_run), outcome, pushed=pushed, reason=reason)

    def ended(self, leased: LeasedRun, outcome: Outcome, *, pushed: str = "", reason: str = "") -> Run:
        leased.record(checked_head=pushed or NEW)
        if pushed:
            leased.record(pushed_head=pushed)
        finish(leased, outcome, reason, ENDINGS[outcome].next)
        with self.ledger.read() as tx:
            return runs.get(tx, leased.run.id)

    def again(self) -> None:
        """Queue the task again, as `/resume` does."""
        with self.ledger.write() as tx:
            tasks.change_state(tx, self.task.id, State.QUEUED)

    def send(self) -> None:
        sender.send(build_sender(self.runtime), self.thread.key)

    @property
    def final(self) -> str:
        return self.forge.bodies(self.thread)[-1]

    @property
    def statuses(self) -> list[tuple[str, CheckState]]:
        return sorted((sha, status.verdict) for sha, status in self.forge.statuses)


@pytest.fixture
def on_issue(ledger: Ledger) -> Ending:
    return Ending(ledger, ISSUE)


@pytest.fixture
def on_change(ledger: Ledger) -> Ending:
    return Ending(ledger, CHANGE)


@pytest.mark.alike
@pytest.mark.parametrize("outcome", OUTCOMES)
def test_the_final_comment_has_everything_that_a_person_needs(on_issue: Ending, outcome: Outcome) -> None:
    on_issue.end(Outcome.PUSHED, pushed=OLD)
    on_issue.send()
    on_issue.again()
    asked = "now add tests\nfor the lexer"
    pushed = NEW if outcome is Outcome.PUSHED else ""
    run = on_issue.end(outcome, pushed=pushed, reason="`ci.yml`", request=asked, summary="I did.")

    on_issue.send()

    final, task, branch = on_issue.final, on_issue.task, on_issue.task.branch
    page, url = on_issue.runtime.page(task.id), ISSUE.repository_url
    next_command = ENDINGS[outcome].next + (f" {NEW[:12]}" if outcome is Outcome.HELD else "")
    assert final.startswith(f"{ENDINGS[outcome].mark} **")
    assert re.match(rf".* · \d+ s · \[log\]\({re.escape(page)}\)\n\n", final)
    assert (f"**Updated pull request [#101]({url}/pull/101)**" in final) is (outcome is Outcome.PUSHED)
    assert f"- Branch [`{branch}`]({url}/tree/{branch}) at" in final
    assert "\n\n> now add tests\n> for the lexer\n\n</details>" in final
    assert "\n\n> I did.\n\n" in final
    assert f"<summary>Task {task.id}, run 2, asked by ann</summary>" in final
    assert re.search(r"\n- Workspace kept until \d{4}-\d\d-\d\d \d\d:\d\d UTC\n", final)
    assert f"`{next_command}` " in final
    assert final.endswith(f"</details>\n\n<!-- forgehand:final:{run.id} -->")


@pytest.mark.alike
@pytest.mark.parametrize("outcome", OUTCOMES)
def test_the_end_of_a_run_sets_its_outcome_state_and_retention_and_nudges_the_sender(
    on_issue: Ending, outcome: Outcome
) -> None:
    run = on_issue.end(outcome, reason="why")

    state = ENDINGS[outcome].state
    assert (run.outcome, run.state, run.reason, run.phase) == (outcome, state, "why", Phase.REPORT)
    assert run.ended_at is not None
    with on_issue.ledger.read() as tx:
        assert tasks.get(tx, run.task).state is state
        kept = workspaces.get(tx, run.task)
        assert kept is not None
        assert kept.keep_until == pytest.approx(clock(tx) + KEEP[state], abs=5)
    assert on_issue.nudged == [ISSUE.key]


@pytest.mark.alike
@pytest.mark.parametrize("outcome", NOT_PUSHED)
def test_an_issue_whose_task_never_pushed_has_no_status_and_no_change(
    on_issue: Ending, outcome: Outcome
) -> None:
    on_issue.end(outcome)

    on_issue.send()

    assert (on_issue.statuses, on_issue.forge.changes) == ([], [])
    assert len(on_issue.forge.bodies(ISSUE)) == 1


def test_a_pushed_head_has_a_success_status_with_a_link_to_the_page(on_issue: Ending) -> None:
    on_issue.end(Outcome.PUSHED, pushed=NEW)

    on_issue.send()

    page = on_issue.runtime.page(on_issue.task.id)
    assert on_issue.forge.statuses == [
        (NEW, Status(verdict=CheckState.SUCCESS, description="Pushed.", url=page)),
    ]


def test_a_later_run_that_fails_sets_an_error_status_on_the_pushed_head(on_issue: Ending) -> None:
    on_issue.end(Outcome.PUSHED, pushed=OLD)
    on_issue.send()
    on_issue.again()
    on_issue.end(Outcome.AGENT_FAILED)

    on_issue.send()

    assert [(sha, status.verdict) for sha, status in on_issue.forge.statuses] == [
        (OLD, CheckState.SUCCESS),
        (OLD, CheckState.ERROR),
    ]


@pytest.mark.alike
@pytest.mark.parametrize("outcome", OUTCOMES)
def test_a_change_has_its_status_on_the_head_of_the_command(on_change: Ending, outcome: Outcome) -> None:
    on_change.end(outcome, pushed=NEW if outcome is Outcome.PUSHED else "")

    on_change.send()

    verdict = CheckState.SUCCESS if ENDINGS[outcome].state is State.SUCCEEDED else CheckState.ERROR
    verdict = CheckState.PENDING if ENDINGS[outcome].state is State.WAITING else verdict
    pushed = [(NEW, verdict)] if outcome is Outcome.PUSHED else []
    assert on_change.statuses == sorted([(HEAD, verdict), *pushed])


@pytest.mark.parametrize("sent", ["pending and final", "final only"])
def test_the_pending_status_is_replaced_on_the_same_commit(on_change: Ending, sent: str) -> None:
    leased = on_change.begun()
    pending = StatusMessage(commit=HEAD, state=CheckState.PENDING, description="Queued.")
    with on_change.ledger.write() as tx:
        outbox_messages.put(tx, pending, subject=leased.run.id, thread_key=CHANGE.key)
    if sent == "pending and final":
        on_change.send()
    finish(leased, Outcome.NO_CHANGES, "", "/resume")

    on_change.send()

    before = [CheckState.PENDING] if sent == "pending and final" else []
    assert [status.verdict for _, status in on_change.forge.statuses] == [*before, CheckState.SUCCESS]
    assert {sha for sha, _ in on_change.forge.statuses} == {HEAD}


@pytest.mark.parametrize(
    ("wanted", "drafts"), [("draft", [True]), ("ready", [False]), ("link", []), ("none", [])]
)
def test_a_change_is_opened_as_requested(on_issue: Ending, wanted: str, drafts: list[bool]) -> None:
    with on_issue.ledger.write() as tx:
        tasks.write(tx, on_issue.task.id, change=wanted)
    on_issue.end(Outcome.PUSHED, pushed=NEW)

    on_issue.send()

    assert [change.draft for change in on_issue.forge.changes] == drafts
    assert ("pull request [#101](" in on_issue.final) is bool(drafts)
    assert ("[Open a pull request from it](" in on_issue.final) is (wanted == "link")


def test_a_change_is_opened_once_for_each_task(on_issue: Ending) -> None:
    for pushed in (OLD, NEW):
        on_issue.end(Outcome.PUSHED, pushed=pushed)
        on_issue.send()
        if pushed == OLD:
            on_issue.again()

    [change] = on_issue.forge.changes
    assert (change.head_branch, change.base_branch) == (on_issue.task.branch, "main")
    assert change.title == "Tidy the parser"
    assert on_issue.final.count("Updated pull request [#101](") == 1


def test_a_change_for_a_change_has_the_request_as_its_title(on_change: Ending) -> None:
    on_change.end(Outcome.PUSHED, pushed=NEW, request="add tests\n\nfor the lexer")

    on_change.send()

    assert [change.title for change in on_change.forge.changes] == ["add tests"]


def test_secrets_in_requests_and_summaries_are_redacted_on_the_forge(on_change: Ending) -> None:
    words = f"{TOKEN} and ghp_{'a1B2' * 9}"
    on_change.end(Outcome.PUSHED, pushed=NEW, request=words, summary=words)

    on_change.send()

    [change] = on_change.forge.changes
    for text in (change.title, change.body, on_change.final):
        assert "[redacted] and [redacted]" in text
        assert TOKEN not in text
        assert "a1B2" not in text


def test_a_very_long_summary_displaces_neither_marker_nor_link_nor_next_command(on_issue: Ending) -> None:
    run = on_issue.end(Outcome.PUSHED, pushed=NEW, summary="@all " * 20_000)

    on_issue.send()

    assert len(on_issue.final) <= on_issue.forge.comment_limit()
    page = on_issue.runtime.page(on_issue.task.id)
    assert f" · [log]({page})\n" in on_issue.final
    assert on_issue.final.endswith(f"</details>\n\n<!-- forgehand:final:{run.id} -->")
    assert f"`{ENDINGS[Outcome.PUSHED].next}`" in on_issue.final


def test_an_older_task_is_named_in_the_next_command(on_issue: Ending) -> None:
    leased = on_issue.begun()
    with on_issue.ledger.write() as tx:
        add_task(tx, ISSUE)
    finish(leased, Outcome.TIMED_OUT, "", "/resume")

    on_issue.send()

    assert f"`/resume --task {on_issue.task.id}`" in on_issue.final


def test_a_worker_that_lost_the_run_changes_and_reports_nothing(on_issue: Ending) -> None:
    leased = on_issue.begun()
    with on_issue.ledger.write() as tx:
        leases.release(tx, leased.lease)

    with pytest.raises(LeaseLost):
        finish(leased, Outcome.PUSHED, "", "/resume")

    with on_issue.ledger.read() as tx:
        run, kept = runs.get(tx, leased.run.id), workspaces.get(tx, leased.task.id)
        assert (run.state, run.phase, run.outcome) == (State.RUNNING, Phase.PUSH, None)
        assert tasks.get(tx, run.task).state is State.RUNNING
        assert kept is not None
        assert kept.keep_until is None
        assert outbox.due(tx, ISSUE.key) == []
    assert on_issue.nudged == []


def test_a_run_of_the_operator_reports_to_no_forge(ledger: Ledger) -> None:
    asked = Ending(ledger, OPERATORS)

    run = asked.end(Outcome.PUSHED, pushed=NEW)

    assert run.state is State.SUCCEEDED
    with ledger.read() as tx:
        assert outbox.due(tx, OPERATORS.key) == []


@pytest.mark.parametrize("phases", [(), (Phase.PREPARE, Phase.AGENT)])
def test_a_run_leaves_one_comment_on_its_thread(on_issue: Ending, phases: tuple[Phase, ...]) -> None:
    leased = on_issue.begun()
    for phase in phases:
        with on_issue.ledger.write() as tx:
            leased.report_progress(tx, phase)
    on_issue.send()
    assert len(on_issue.forge.comments) == bool(phases)
    finish(leased, Outcome.TIMED_OUT, "", "/resume")

    on_issue.send()

    [final] = on_issue.forge.bodies(ISSUE)
    assert final.startswith("\u23f1\ufe0f **Stopped: the agent ran out of time**")


def test_an_approved_push_names_the_approver_and_keeps_title_and_summary_of_the_agent(
    on_issue: Ending,
) -> None:
    held = on_issue.begun(summary="I made CI faster.", title="Faster CI")
    held.record({"agent_started": True}, checked_head=NEW)
    on_issue.ended(held, Outcome.HELD, reason="`ci.yml`")
    on_issue.again()
    with on_issue.ledger.write() as tx:
        run = add_run(tx, on_issue.task, phase=Phase.PUSH)
        claimed = claims.claim(tx, a_worker(), run.id)
    on_issue.ended(on_issue.taken(claimed), Outcome.PUSHED, pushed=NEW)

    on_issue.send()

    assert "**Approved by ann: opened draft pull request [#101](" in on_issue.final
    assert "> I made CI faster." in on_issue.final
    [change] = on_issue.forge.changes
    assert change.title == "Faster CI"
    assert "> I made CI faster." in change.body


@pytest.mark.parametrize("closes", [True, False])
def test_a_change_closes_its_issue_if_the_settings_say_so(on_issue: Ending, closes: bool) -> None:  # noqa: FBT001 - pytest passes the parameter by name
    on_issue.runtime = replace(on_issue.runtime, closes_issues=closes)
    on_issue.end(Outcome.PUSHED, pushed=NEW, summary="Closes #1")

    on_issue.send()

    [change] = on_issue.forge.changes
    assert change.body.endswith(f"\n\nCloses #{ISSUE.number}") is closes
    assert "Closes #1\n" not in change.body


def test_a_failed_run_shows_its_last_lines_and_what_it_changed(on_issue: Ending) -> None:
    agents = {on_issue.task.agent: CommandLineAgent(["sh"])}
    on_issue.runtime = replace(on_issue.runtime, agents=agents)
    leased = on_issue.begun()
    with on_issue.ledger.write() as tx:
        log_chunks.append(tx, leased.run.id, 0, b"compiling\nno such file\n")
        patches.add(tx, leased.run.id, b" 1 file changed, 1 insertion(+)\n\ndiff\n", 40, commits=1)
    on_issue.ended(leased, Outcome.AGENT_FAILED, reason="It ended with exit status 7.")

    on_issue.send()

    assert on_issue.final.startswith("\u274c **The agent failed** (exit status 7) · ")
    assert "Last 2 lines of the output</summary>\n\n```text\ncompiling\nno such file\n```\n" in on_issue.final
    assert "\n- `/diff` shows the changes so far: 1 file, +1 -0\n" in on_issue.final
