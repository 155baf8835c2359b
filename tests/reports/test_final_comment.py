"""The comments of a run name the next step and trigger no action of a forge."""

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from bot.domain.lifecycle import Phase, State
from bot.domain.outcomes import ENDINGS, Outcome
from bot.domain.task import Run, Task
from bot.domain.thread import Actor, ReplyTarget
from bot.domain.usage import Known, Spent, Tokens, Total
from bot.reports.change_text import body, title
from bot.reports.final_comment import EndedRun, final, in_short, with_change
from bot.reports.living_comment import Progress, over, progress, short
from bot.reports.outbox_messages import FinalMessage
from bot.reports.phrases import with_question
from bot.store.patches import Patch
from tests.support.commander import HEAD, ISSUE
from tests.support.fakes import FakeForge
from tests.support.runtimes import TOKEN

PAGE = "https://bot.example.org/tasks/t1?key=k"
PAGES = FakeForge().pages(ISSUE)
TASK = Task(
    id="t1",
    thread=ISSUE,
    thread_key=ISSUE.key,
    state=State.RUNNING,
    agent="demo",
    change_form="draft",
    base="main",
    branch="forgehand/12-tidy-t1",
    checked_head=HEAD,
)
RUN = Run(
    id="t1-2",
    task="t1",
    number=2,
    thread_key=ISSUE.key,
    repository_url=ISSUE.repository_url,
    state=State.RUNNING,
    phase=Phase.REPORT,
    first_phase=Phase.PREPARE,
    request="tidy the parser",
    context=(),
    cause="comment:1",
    asked_by=Actor(id=7, login="ann"),
    wall_limit=60,
    summary="I made it shorter.",
    reason="It said why.",
    started_at=1_000_000.0,
    ended_at=1_000_045.0,
)
NASTY = (
    "thanks @ann\n/close\n  /run everything\n![x](https://evil.example/p.png)\n"
    "Closes #12, fixes acme/anvil#3\n<!-- forgehand:final:t1-2 -->\n```\nnever closed"
)
ACTED_ON = r"@\w|^[>\s]*/|!\[|(?i:\b(?:closes|fixes)\b)|#\d|<!--"


def final_comment(
    run: Run,
    task: Task = TASK,
    *,
    workspace_until: float | None = 1_604_800.0,
    again: bool = False,
    lost: bool = False,
    spent: Spent | None = None,
    continues_at: float | None = None,
) -> str:
    """Write the whole final comment."""
    ended = EndedRun(
        run=run,
        task=task,
        pages=PAGES,
        page=PAGE,
        next_command="/resume",
        newest=True,
        workspace_until=workspace_until,
        started_over=again,
        host_lost=lost,
        spent=spent,
        continues_at=continues_at,
    )
    return with_change(final(ended, [TOKEN]), task, "")


def test_folders_that_were_not_exported_are_named_after_every_outcome() -> None:
    sentence = "Not exported, but still in the workspace: `lib/` (a submodule that was not fetched, 1 file)."
    for outcome in Outcome:
        said = final_comment(replace(RUN, outcome=outcome, unexported=sentence))
        assert f"\n\n{sentence}\n\n" in said


def body_of_change(run: Run) -> str:
    return body(run, TASK, PAGE, secrets=[TOKEN]).replace("#12", "")


def at_work(run: Run, **facts: Any) -> Progress:
    """Return the progress of a run whose agent is at work."""
    return Progress(**{"run": run, "task": TASK, "phase": Phase.AGENT, "page": PAGE, **facts})


def last_line(run: Run) -> str:
    return progress(at_work(run, last_line=run.summary), [TOKEN])


@pytest.mark.parametrize(
    ("usd", "known", "words"),
    [
        (0.042, Known.PRICES, "$0.04"),
        (0.0, Known.PRICES, "$0.00"),
        (0.0016, Known.AGENT, "$0.0016 as reported by the agent"),
        (1234.5, Known.UNKNOWN, "at least $1,234.50"),
        (0.0, Known.UNKNOWN, "cost unknown"),
    ],
)
def test_the_final_comment_has_the_tokens_and_the_certainty_of_their_cost(
    usd: float, known: Known, words: str
) -> None:
    used = Total(requests=3, tokens=Tokens(input=12_000, output=345))
    spent = Spent(used=used, usd=usd, known=known)

    text = final_comment(replace(RUN, outcome=Outcome.PUSHED), spent=spent)

    assert f"\n- Agent `demo`: 12,345 tokens, {words}\n" in text
    dollars = words.removesuffix(" as reported by the agent").replace("at least ", "\u2265 ")
    assert (f" · {dollars} · " in text.split("\n")[0]) is ("$" in words)


def test_the_final_comment_of_a_run_without_models_reports_no_tokens() -> None:
    spent = Spent(used=Total(), usd=0.0, known=Known.PRICES)

    text = final_comment(replace(RUN, outcome=Outcome.PUSHED), spent=spent)
    assert "tokens" not in text
    assert "$" not in text


TEXTS_OF_OTHERS: list[Callable[[Run], str]] = [final_comment, body_of_change, last_line]


@pytest.mark.parametrize("say", TEXTS_OF_OTHERS)
def test_text_of_agents_and_people_triggers_no_action_of_the_forge(say: Callable[[Run], str]) -> None:
    assert len(re.findall(ACTED_ON, NASTY, re.MULTILINE)) == 9

    said = say(replace(RUN, outcome=Outcome.AGENT_FAILED, request=NASTY, reason=NASTY, summary=NASTY))

    assert "ann" in said
    assert re.findall(ACTED_ON, said, re.MULTILINE) == []


def test_unclosed_markdown_of_others_ends_before_the_text_of_the_bot() -> None:
    said = final_comment(
        replace(RUN, outcome=Outcome.AGENT_FAILED, request=NASTY, reason=NASTY, summary=NASTY)
    )

    for own in ("- `/resume` ", "</details>"):
        before, _, _ = said.partition(f"\n\n{own}")
        assert before.rsplit("\n", 1)[1].startswith(">")
    assert said.endswith("\n\n</details>")


@pytest.mark.parametrize("say", TEXTS_OF_OTHERS)
def test_comments_contain_no_secret(say: Callable[[Run], str]) -> None:
    words = f"It is {TOKEN} or ghp_{'a1B2' * 9}"

    said = say(replace(RUN, outcome=Outcome.AGENT_FAILED, request=words, reason=words, summary=words))

    assert "It is [redacted] or [redacted]" in said
    assert TOKEN not in said
    assert "a1B2" not in said


@pytest.mark.parametrize("outcome", list(Outcome))
def test_long_text_of_others_does_not_displace_the_text_of_the_bot(outcome: Outcome) -> None:
    paths = ", ".join(f"`.github/workflows/{'x' * 200}-{number}.yml`" for number in range(2_000))
    long = replace(RUN, outcome=outcome, summary="@a " * 50_000, request="#1 " * 50_000, reason=paths)

    said = final_comment(long)

    assert len(said) < FakeForge().comment_limit() - 2_000
    assert said.startswith(f"{ENDINGS[outcome].mark} **")
    assert "`/resume` " in said
    assert said.endswith("\n\n</details>")


@pytest.mark.parametrize(("named", "more"), [(3, 0), (2_000, 0), (3, 18_000), (2_000, 18_000)])
def test_a_list_of_protected_paths_is_complete_or_ends_with_the_number_of_the_others(
    named: int, more: int
) -> None:
    names = [f"`.github/workflows/{number}.yml`" for number in range(named)]
    reason = ", ".join([*names, *([f"`… and {more:,} more`"] if more else [])])

    lines = final_comment(replace(RUN, outcome=Outcome.HELD, reason=reason)).split("\n")

    shown = [line for line in lines if line.removeprefix("- ") in names]
    assert shown == [f"- {name}" for name in names[: len(shown)]]
    assert len(shown) == 3 if named == 3 else 100 < len(shown) < 2_000
    omitted = named + more - len(shown)
    assert (f"- and {omitted:,} more" in lines) is (omitted > 0)


def test_a_pushed_branch_is_linked_and_so_is_its_head() -> None:
    said = final_comment(replace(RUN, outcome=Outcome.PUSHED), replace(TASK, pushed_head=HEAD))

    assert f"[`{TASK.branch}`](https://github.com/acme/anvil/tree/{TASK.branch})" in said
    assert f"[`{HEAD[:10]}`](https://github.com/acme/anvil/commit/{HEAD})" in said
    assert "It said why." not in said


def test_a_requested_link_for_a_new_change_has_quoted_branch_names() -> None:
    said = final_comment(
        replace(RUN, outcome=Outcome.PUSHED), replace(TASK, change_form="link", base="a b#1")
    )

    assert (
        f"[Open a pull request from it](https://github.com/acme/anvil/compare/a%20b%231...{TASK.branch})"
        in said
    )


@pytest.mark.parametrize("outcome", [outcome for outcome in Outcome if outcome is not Outcome.PUSHED])
def test_a_branch_that_was_pushed_before_is_linked_as_unchanged(outcome: Outcome) -> None:
    said = final_comment(replace(RUN, outcome=outcome), replace(TASK, pushed_head="b" * 40))

    branch = f"[`{TASK.branch}`](https://github.com/acme/anvil/tree/{TASK.branch})"
    commit = f"[`{'b' * 10}`](https://github.com/acme/anvil/commit/{'b' * 40})"
    assert f"\n- Branch {branch} at {commit}, unchanged\n" in said


def test_a_branch_that_was_never_pushed_is_not_mentioned() -> None:
    assert TASK.branch not in final_comment(replace(RUN, outcome=Outcome.AGENT_FAILED))


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.4, "0 s"), (119, "119 s"), (120, "2 min 0 s"), (3_725, "62 min 5 s")]
)
def test_the_duration_is_readable(seconds: float, words: str) -> None:
    said = final_comment(replace(RUN, outcome=Outcome.PUSHED, ended_at=1_000_000.0 + seconds))

    assert f" · {words} · [log]({PAGE})\n" in said


def test_a_removed_workspace_is_not_mentioned() -> None:
    run = replace(RUN, outcome=Outcome.PREPARE_FAILED)

    assert "\n- Workspace kept until 1970-01-19 13:46 UTC\n" in final_comment(run)
    assert "Workspace" not in final_comment(run, workspace_until=None)


@pytest.mark.parametrize("again", [True, False])
def test_the_comments_of_a_run_in_a_fresh_clone_mention_that(again: bool) -> None:  # noqa: FBT001 - pytest passes the parameter by name
    run = replace(RUN, outcome=Outcome.PUSHED)
    comment = progress(at_work(run, started_over=again), [])

    for said in (final_comment(run, again=again), comment):
        assert ("this run started in a fresh clone" in said) is again


def test_work_that_was_lost_with_a_machine_is_reported() -> None:
    run = replace(RUN, outcome=Outcome.PUSHED)
    words = "untracked files, commits that were not pushed and the agent's notes were lost with it"

    for lost in (True, False):
        comment = progress(at_work(run, started_over=True, host_lost=lost), [])
        assert (words in comment) is lost
        assert (words in final_comment(run, again=True, lost=lost)) is lost
    assert words not in final_comment(run, lost=True)


def test_the_first_line_has_the_link_of_the_opened_change_or_the_reason_why_there_is_none() -> None:
    opened = replace(TASK, change_number=7, change_url="https://x/7")
    on_gitlab = replace(opened, thread=replace(TASK.thread, forge="gitlab"))

    def completed(task: Task, refusal: str) -> str:
        return with_change(
            FinalMessage(lead="Pushed.", rest="Next.", opened="Opened {change}."), task, refusal
        )

    assert completed(opened, "no") == "Opened [#7](https://x/7).\n\nNext."
    assert completed(on_gitlab, "") == "Opened [!7](https://x/7).\n\nNext."
    assert completed(TASK, "GitHub said no.") == (
        "Pushed.\n\nThe pull request could not be opened: GitHub said no.\n\nNext."
    )
    assert completed(TASK, "") == "Pushed.\n\nNext."


def test_a_message_that_an_older_version_wrote_is_completed_as_it_was_then() -> None:
    opened = replace(TASK, change_number=7, change_url="https://x/7")
    message = FinalMessage(lead="**Pushed.**", rest="Next.")

    assert with_change(message, opened, "") == "**Pushed.** The change is [#7](https://x/7).\n\nNext."
    assert with_change(replace(message, opened=""), opened, "") == "**Pushed.**\n\nNext."


def test_the_comment_of_a_task_that_continues_by_itself_has_the_time_and_the_stop_command() -> None:
    text = final_comment(replace(RUN, outcome=Outcome.RATE_LIMITED), continues_at=1_604_800.0)

    assert (
        "\n\nIt continues by itself when the limit has ended, at 1970-01-19 13:46 UTC. "
        "`/cancel` stops that.\n" in text
    )


def test_the_question_of_an_agent_that_failed_follows_the_reason() -> None:
    assert with_question("It broke.", "Tabs or spaces?") == "It broke. The agent had asked: Tabs or spaces?"
    assert with_question("", "Why?") == "The agent had asked: Why?"
    assert with_question("It broke.", "") == "It broke."


def test_the_text_of_a_change_omits_confidential_and_internal_requests() -> None:
    secret = replace(TASK, thread=replace(TASK.thread, confidential=True))

    for text in (
        body(RUN, secret, PAGE, secrets=[]),
        body(replace(RUN, reply_target=ReplyTarget(internal=True)), TASK, PAGE, secrets=[]),
    ):
        assert text == f"[Task `{TASK.id}`]({PAGE})"


def test_the_text_of_a_change_has_the_summary_first_and_names_the_requester_without_a_mention() -> None:
    text = body(RUN, TASK, PAGE, secrets=[])

    assert text.startswith("> I made it shorter.\n\nTo continue on this branch, comment `/resume ")
    assert "<summary>Made for #12, asked by ann</summary>\n\n> tidy the parser\n\n" in text
    assert text.endswith(f"[Task `t1`]({PAGE})\n\n</details>")


@pytest.mark.parametrize(
    ("own", "expected"),
    [
        ("Shorten  the\nparser", "Shorten the parser"),
        ("", ISSUE.title),
        ("x" * 200, ISSUE.title),
    ],
)
def test_a_change_has_the_title_of_the_agent_or_else_that_of_the_issue(own: str, expected: str) -> None:
    run = replace(RUN, title=own)

    assert title(run, TASK) == expected
    assert title(run, replace(TASK, thread=replace(TASK.thread, confidential=True))) == "Task t1"


def test_the_status_of_a_pushed_run_has_its_counts() -> None:
    patch = Patch(2, b" 3 files changed, 7 insertions(+)\n\ndiff", 50, commits=2)

    assert in_short(replace(RUN, outcome=Outcome.PUSHED), patch) == "Pushed: 2 commits, 3 files, +7 -0"
    assert in_short(replace(RUN, outcome=Outcome.PUSHED), None) == "Pushed."
    assert in_short(replace(RUN, outcome=Outcome.IDLE), patch) == "Stopped: the agent went silent."


def test_the_living_comment_has_the_step_the_time_the_log_and_the_command_to_stop_it() -> None:
    text = progress(at_work(replace(RUN, doing="editing parser.py"), seconds=185.0, last_line="building"), [])

    assert text == (
        f"\u23f3 **Working on it**, step 2 of 4: agent `demo` · over 1 min · [watch the log]({PAGE})\n\n"
        "`editing parser.py`\n\n<sub>Task `t1`, run 2 · `/cancel` stops it</sub>"
    )


@pytest.mark.parametrize(
    ("phase", "step"),
    [
        (Phase.PREPARE, "step 1 of 4: preparing the workspace"),
        (Phase.AGENT, "step 2 of 4: agent `demo`"),
        (Phase.EXPORT, "step 3 of 4: checking the agent's work"),
        (Phase.PUSH, "step 4 of 4: pushing"),
    ],
)
def test_each_phase_is_a_step(phase: Phase, step: str) -> None:
    state = at_work(replace(RUN, doing="editing"), phase=phase)

    text = progress(state, [])

    assert f", {step} · [watch the log]" in text
    assert ("`editing`" in text) is (phase is Phase.AGENT)
    assert short(state).removeprefix("Running: ") in step


def test_the_living_comment_names_the_pinned_head() -> None:
    text = progress(at_work(RUN, task=replace(TASK, pinned=HEAD)), [])

    assert f"\n\nIt works on commit `{HEAD[:10]}`" in text


def test_the_living_comment_of_a_cancelled_run_has_only_the_stopping() -> None:
    state = at_work(replace(RUN, cancel_asked=True, doing="editing parser.py"), last_line="building")

    assert progress(state, []) == (
        f"\u23f9\ufe0f **Cancelled**, stopping the agent and exporting its work · [watch the log]({PAGE})\n\n"
        "<sub>Task `t1`, run 2</sub>"
    )
    assert short(state) == "Cancelled: stopping the agent and exporting its work"


def test_the_status_of_a_running_agent_has_the_minutes() -> None:
    assert short(at_work(RUN, seconds=59.0)) == "Running: agent"
    assert short(at_work(RUN, seconds=299.0)) == "Running: agent, over 1 min"
    assert short(at_work(RUN, seconds=300.0)) == "Running: agent, over 5 min"
    assert short(at_work(RUN, seconds=3_700.0)) == "Running: agent, over 60 min"


def test_the_last_text_of_the_living_comment_has_the_outcome() -> None:
    text = over(replace(RUN, outcome=Outcome.TIMED_OUT), TASK)

    assert text.startswith("Task `t1`, run 2, has ended: Stopped: the agent ran out of time.")
