"""One ended run for each outcome and each form of its result, on both forges: the texts that people see."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from bot.domain.lifecycle import Phase, State
from bot.domain.outcomes import ENDINGS, Outcome
from bot.domain.task import Run, Task
from bot.domain.thread import Actor, Thread
from bot.domain.usage import Known, Spent, Tokens, Total
from bot.forges.registry import FORGES
from bot.reports import change_text
from bot.reports.final_comment import EndedRun, final, with_change
from bot.sandbox.export.protected_paths import reason
from bot.store.patches import Patch
from tests.support.commander import CHANGE, HEAD, ISSUE
from tests.support.fakes import FakeForge

PAGE = "https://bot.example.org/tasks/h6pc7v3j?key=k"
DECEMBER_7 = 1_796_641_440.0  # 2026-12-07 11:04 UTC
PATCH = Patch(
    number=1,
    text=b" 1 file changed, 2 insertions(+), 1 deletion(-)\n\n"
    b"diff --git a/parser.py b/parser.py\n--- a/parser.py\n+++ b/parser.py\n@@ -1 +1,2 @@\n"
    b"-parse = None\n+def parse(text):\n+    return text.strip()\n",
    size=160,
    commits=1,
)
CI_PATCH = replace(
    PATCH,
    text=b" 1 file changed, 2 insertions(+)\n\n"
    b"diff --git a/.github/workflows/ci.yml b/.github/workflows/ci.yml\n"
    b"--- /dev/null\n+++ b/.github/workflows/ci.yml\n@@ -0,0 +1,2 @@\n"
    b"+on: push\n+jobs: {t: {runs-on: ubuntu-latest, steps: [{run: make}]}}\n",
)
OUTPUT = 'Traceback (most recent call last):\n  File "x.py", line 1, in <module>\nValueError: no value'
SPENT = Spent(used=Total(requests=9, tokens=Tokens(input=7_200, output=500)), usd=0.12, known=Known.PRICES)


@dataclass(frozen=True, slots=True)
class Case:
    """A final comment to be written: the ended run, and the forge's refusal to open the change."""

    name: str
    ended: EndedRun
    task: Task  # as it is when the comment is sent
    refusal: str = ""

    def text(self) -> str:
        return with_change(final(self.ended, []), self.task, self.refusal)


def cases(forge: str) -> Iterator[Case]:
    """Yield the cases of one forge."""
    yield from _pushed(forge)
    yield from _others(forge)
    paths = "`.github/workflows/ci.yml`, `CODEOWNERS`"
    yield _case(forge, "held", Outcome.HELD, run_reason=paths, patch=CI_PATCH)
    yield _case(
        forge,
        "base_missing",
        Outcome.PREPARE_FAILED,
        run_reason="There is no branch `nosuch` in the repository.",
        next_command="/run --base <branch> <what to do>",
        patch=None,
        kept_until=None,
    )
    yield _case(
        forge,
        "rate_limited_continues",
        Outcome.RATE_LIMITED,
        run_reason="The limit ends at 2026-12-01 15:00 UTC.",
        continues_at=DECEMBER_7,
    )
    yield _case(forge, "not_newest", Outcome.AGENT_FAILED, run_reason="It broke.", newest=False)


def change_case(forge: str) -> str:
    """Write title and text of the change of a pushed run."""
    ended = _case(forge, "change", Outcome.PUSHED).ended
    run = replace(ended.run, title="Strip blanks in the parser")
    body = change_text.body(run, ended.task, PAGE, secrets=[])
    return f"{change_text.title(run, ended.task)}\n\n{body}"


def _pushed(forge: str) -> Iterator[Case]:
    opened = {"change_number": 14, "change_url": f"{_thread(forge).repository_url}/changes/14"}
    long = "\n".join(f"Line {number} of a long summary." for number in range(1, 41))
    three = replace(PATCH, commits=3)
    yield _case(forge, "pushed_draft", Outcome.PUSHED, sent=opened)
    yield _case(forge, "pushed_ready", Outcome.PUSHED, sent=opened, of_task={"change_form": "ready"})
    yield _case(forge, "pushed_again", Outcome.PUSHED, of_task=opened, number=2, patch=three)
    yield _case(forge, "pushed_link", Outcome.PUSHED, of_task={"change_form": "link"})
    yield _case(forge, "pushed_refused", Outcome.PUSHED, refusal="It is archived.")
    yield _case(forge, "pushed_approved", Outcome.PUSHED, sent=opened, approved=True)
    yield _case(forge, "pushed_long_summary", Outcome.PUSHED, sent=opened, summary=long)
    here = {"change_form": "none", "branch": "lexer", "base": "lexer", "pinned": HEAD}
    yield _case(forge, "pushed_here", Outcome.PUSHED, of_task=here, thread=_on(forge, CHANGE))


def _others(forge: str) -> Iterator[Case]:
    reasons = {
        Outcome.NO_CHANGES: "",
        Outcome.QUESTION: "Should a value keep its trailing blanks?",
        Outcome.CANCELLED: "",
        Outcome.PREPARE_FAILED: "The remote did not answer for 40 seconds.",
        Outcome.AGENT_FAILED: "It ended with exit status 7.",
        Outcome.TIMED_OUT: "It did not end within 60 minutes.",
        Outcome.IDLE: "It printed nothing for 15 minutes.",
        Outcome.OUT_OF_MEMORY: "It needed more than its 4g of memory.",
        Outcome.DISK_FULL: "Its workspace takes 20 GiB and may take 20 GiB.",
        Outcome.OUTPUT_LIMIT: "It printed more than 64 MiB.",
        Outcome.RATE_LIMITED: "The limit ends at 2026-12-01 15:00 UTC.",
        Outcome.OVER_BUDGET: "The budget of a run is used up: 300 of 300 requests.",
        Outcome.EXPORT_REFUSED: "The clone has no commit to take: its .git is broken.",
        Outcome.PUSH_REJECTED: "pre-receive hook declined. Commits must have verified signatures.",
        Outcome.CHANGE_ENDED: "Change #14 was merged before this push.",
        Outcome.REMOTE_MISSING: "fatal: repository not found",
        Outcome.LOST: "Its container was stopped from outside (exit status 137).",
    }
    without_work = {Outcome.NO_CHANGES, Outcome.PREPARE_FAILED, Outcome.REMOTE_MISSING}
    for outcome, reason_ in reasons.items():
        patch = None if outcome in without_work else PATCH
        output = "" if outcome in without_work else OUTPUT
        yield _case(forge, outcome.value, outcome, run_reason=reason_, patch=patch, output=output)


def _case(
    forge: str,
    name: str,
    outcome: Outcome,
    *,
    run_reason: str = "",
    summary: str = "",
    number: int = 1,
    thread: Thread | None = None,
    of_task: dict[str, Any] | None = None,
    sent: dict[str, Any] | None = None,
    refusal: str = "",
    kept_until: float | None = DECEMBER_7,
    **facts: Any,
) -> Case:
    task = _task(forge, outcome, thread or _thread(forge), of_task or {})
    run = replace(_run(task, outcome, number), reason=run_reason, summary=summary or _summary(outcome))
    ended = EndedRun(
        run=run,
        task=task,
        pages=FakeForge().pages(task.thread),
        page=PAGE,
        workspace_until=kept_until,
        spent=SPENT,
        why_protected=reason,
        **{"next_command": ENDINGS[outcome].next, "newest": True, "patch": PATCH, **facts},
    )
    return Case(name, ended, replace(task, **(sent or {})), refusal)


def _summary(outcome: Outcome) -> str:
    return "`parse` now strips blanks, and a **test** shows it." if outcome is Outcome.PUSHED else ""


def _thread(forge: str) -> Thread:
    return _on(forge, ISSUE)


def _on(forge: str, thread: Thread) -> Thread:
    return replace(thread, forge=forge, repository_url=f"https://{forge}.example.org/acme/anvil")


def _task(forge: str, outcome: Outcome, thread: Thread, changed: dict[str, Any]) -> Task:
    task = Task(
        id="h6pc7v3j",
        thread=thread,
        thread_key=thread.key,
        state=ENDINGS[outcome].state,
        agent="claude",
        model="opus",
        change_form="draft",
        base="main",
        branch="forgehand/12-tidy-the-parser-h6pc7v3j",
        checked_head=HEAD,
        pushed_head=HEAD if outcome is Outcome.PUSHED else "",
    )
    return replace(task, **changed)


def _run(task: Task, outcome: Outcome, number: int) -> Run:
    return Run(
        id=f"{task.id}-{number}",
        task=task.id,
        number=number,
        thread_key=task.thread_key,
        repository_url=task.thread.repository_url,
        state=State.RUNNING,
        phase=Phase.REPORT,
        first_phase=Phase.PREPARE,
        request="tidy the parser",
        context=(),
        cause="comment:1",
        asked_by=Actor(id=7, login="ann"),
        wall_limit=3600,
        outcome=outcome,
        started_at=1_000_000.0,
        ended_at=1_000_022.0,
    )


FORGE_NAMES = list(FORGES)
