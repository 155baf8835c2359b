"""The content of a task's page, and its HTML. Pure functions: rows in, a document out."""

from collections.abc import Sequence

from jinja2 import Environment
from markupsafe import escape

from bot.domain.change import Pages
from bot.domain.lifecycle import ENDED, Phase, State
from bot.domain.outcomes import ENDINGS, Outcome
from bot.domain.task import Run, Task
from bot.domain.thread import Kind
from bot.domain.usage import Reached, Refusal, Spent
from bot.reports.command_syntax import change_reference, next_command, reference, shell_command
from bot.reports.phrases import session
from bot.reports.spending import used
from bot.text.units import human
from bot.web.task_view import (
    EndedView,
    FactsView,
    LinkView,
    PhaseView,
    ResultView,
    RunningView,
    RunView,
    TargetsView,
    TargetView,
    TaskView,
    WaitingView,
    WorkspaceView,
)

PhaseTimes = tuple[Phase, float, float | None]  # phase, start, end in seconds since the epoch

_ORDER = list(Phase)  # two phases may begin at the same time by the ledger's clock
_MOST_LISTED = 20  # hosts, or kinds of requests, listed for one run


def render(pages: Environment, view: TaskView) -> str:
    """Return the page as HTML."""
    return pages.get_template("task.html.j2").render(view=view)


def task_view(
    task: Task,
    thread: LinkView | None,
    *,
    result: ResultView,
    facts: FactsView,
    runs: Sequence[RunView],
    log: str,
    key: str,
    now: float,
) -> TaskView:
    return TaskView(
        id=task.id,
        title=task.thread.title or f"Task {task.id}",
        state=task.state,
        thread=thread,
        result=result,
        facts=facts,
        runs=runs,
        log=escape(log),  # not in the template, which would clean it a second time
        key=key,
        now=now,
    )


def facts_view(
    task: Task, addresses: Pages | None, workspace: WorkspaceView, *, has_patch: bool
) -> FactsView:
    """Return the facts; `addresses` are those of the repository, None if no forge knows the task."""
    return FactsView(
        repository=task.thread.repository_url,
        branch=_branch(task, addresses),
        commit=_commit(task, addresses),
        change=_change(task),
        base=task.base,
        has_patch=has_patch,
        agent=task.agent,
        asked_at=task.created_at,
        workspace=workspace,
    )


def thread_link(task: Task, addresses: Pages | None) -> LinkView | None:
    thread = task.thread
    if addresses is None or thread.kind is Kind.CLI:
        return None
    return LinkView(text=f"{thread.path}{reference(thread)}", url=addresses.thread)


def _branch(task: Task, addresses: Pages | None) -> LinkView | None:
    url = addresses.branch_at(task.branch) if addresses is not None and task.pushed_head else ""
    return LinkView(text=task.branch, url=url) if task.branch else None


def _commit(task: Task, addresses: Pages | None) -> LinkView | None:
    url = addresses.commit.format(sha=task.pushed_head) if addresses is not None else ""
    return LinkView(text=task.pushed_head[:10], url=url) if task.pushed_head else None


def _change(task: Task) -> LinkView | None:
    if task.change_number is None:
        return None
    return LinkView(text=change_reference(task), url=task.change_url)


def result_view(task: Task, run: Run, phases: Sequence[PhaseTimes], position: int, now: float) -> ResultView:
    """Return the outcome of the newest run, its queue position or its current step."""
    if run.state is State.QUEUED:
        continues_at = run.due_at if run.due_at is not None and run.due_at > now else None
        return WaitingView(position=position, continues_at=continues_at)
    if run.state not in ENDED or run.outcome is None:
        doing = run.doing if run.phase is Phase.AGENT else ""
        return RunningView(phase=run.phase, since=phases[-1][1] if phases else None, doing=doing)
    place, command = _next(task, run.outcome)
    sentence = ENDINGS[run.outcome].sentence
    return EndedView(state=run.state, sentence=sentence, reason=run.reason, place=place, command=command)


def _next(task: Task, outcome: Outcome) -> tuple[str, str]:
    command = ENDINGS[outcome].next
    if task.thread.kind is Kind.CLI:
        return "on the command line", shell_command(command, task.id)
    return "on the thread", next_command(command, task, newest=False)


def run_view(
    run: Run,
    *,
    is_newest: bool,
    phases: Sequence[PhaseTimes],
    refusals: Sequence[tuple[str, str]],
    spent: Spent,
    reached: Sequence[Reached],
    blocked: Sequence[Refusal],
) -> RunView:
    """Return the view of one run. The newest has no reason for its end here: the page's result shows it."""
    models = used(spent)
    transferred = [f"{human(each.received)} received, {human(each.sent)} sent" for each in reached]
    return RunView(
        number=run.number,
        state=run.state,
        outcome=str(run.outcome or run.state).replace("_", " "),
        exit_status=run.exit_status,
        asked_by=run.asked_by.login,
        asked_at=run.created_at,
        request=run.request,
        phases=_phases(phases),
        session=session(run),
        reason="" if is_newest else run.reason,
        summary=run.summary,
        unexported=run.unexported,
        refusals=refusals,
        models=f"{spent.used.requests:,} requests, {models}" if models else "",
        reached=_targets(reached, transferred),
        blocked=_targets(blocked, [each.reason for each in blocked]),
    )


def _phases(times: Sequence[PhaseTimes]) -> list[PhaseView]:
    in_order = sorted(times, key=lambda each: _ORDER.index(each[0]))
    return [PhaseView(phase=phase, started_at=start, ended_at=end) for phase, start, end in in_order]


def _targets(counted: Sequence[Reached | Refusal], notes: Sequence[str]) -> TargetsView:
    listed = [
        TargetView(name=each.target, count=each.count, note=note)
        for each, note in zip(counted[:_MOST_LISTED], notes, strict=False)
    ]
    return TargetsView(listed=listed, others=sum(each.count for each in counted[_MOST_LISTED:]))
