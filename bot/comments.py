"""The words of the comments a run writes on its thread. Pure: rows in, Markdown out."""

from datetime import UTC, datetime

from bot.clean import for_comment
from bot.forges.forge import Pages
from bot.model import ENDINGS, Outcome, Phase, Run, Task

_REQUEST = 1_000  # characters of the request that are quoted back
_REASON = 4_000
_SUMMARY = 20_000

DOING = {
    Phase.PREPARE: "preparing the workspace",
    Phase.AGENT: "running the agent",
    Phase.EXPORT: "taking out and checking what the agent made",
    Phase.PUSH: "pushing",
    Phase.REPORT: "done",
}


def progress(run: Run, task: Task, phase: Phase, *, last_line: str = "") -> str:
    """The comment that is edited in place while a run goes on."""
    lines = [f"Task `{task.id}`, run {run.number}: {DOING[phase]} (`{task.agent}`)."]
    if task.pinned:
        lines.append(
            f"It works on commit `{task.pinned[:10]}`; later pushes to this change are not part of it."
        )
    if last_line:
        lines.append("Last line of its output:\n\n" + for_comment(last_line, 200))
    return "\n\n".join(lines)


def final(run: Run, task: Task, pages: Pages, *, kept_until: float | None, say_next: str) -> tuple[str, str]:
    """The comment at the end, in two parts: the change's link, known only when opened, goes between."""
    outcome = run.outcome or Outcome.LOST
    lead = f"**{ENDINGS[outcome].says}** {_about(run, task, outcome, pages)}".strip()
    parts = [_quoted(run.request)]
    if run.summary:
        parts.append(for_comment(run.summary, _SUMMARY))
    parts.append(_facts(run, task, kept_until))
    parts.append(f"Next: `{say_next}`")
    return lead, "\n\n".join(parts)


def change_sentence(number: int | None, url: str, refused: str) -> str:
    """What became of the pull or merge request."""
    if number is not None:
        return f"The change is [#{number}]({url})."
    return f"A change could not be opened: {refused}" if refused else ""


def status_line(run: Run) -> str:
    """One line for a commit status."""
    return ENDINGS[run.outcome or Outcome.LOST].says


def change_body(run: Run, task: Task, page: str) -> str:
    """Text of the pull or merge request the bot opens."""
    parts = [f"Made for #{task.thread.number}, asked by {run.asked_by.login}.", _quoted(run.request)]
    if run.summary:
        parts.append(for_comment(run.summary, _SUMMARY))
    parts.append(f"[Task `{task.id}`]({page})")
    return "\n\n".join(parts)


def _about(run: Run, task: Task, outcome: Outcome, pages: Pages) -> str:
    branch = f"[`{task.branch}`]({pages.branch.format(branch=task.branch)})"
    head = task.checked_head
    commit = f"[`{head[:10]}`]({pages.commit.format(sha=head)})" if outcome is Outcome.PUSHED else f"`{head}`"
    match outcome:
        case Outcome.PUSHED:
            return f"Branch {branch} is at {commit}."
        case Outcome.HELD:
            return f"Held: commit {commit} touches {run.reason}. Nothing was pushed."
        case Outcome.QUESTION:
            return "\n\n" + for_comment(run.reason, _REASON)
        case _:
            return _cut(run.reason)


def _facts(run: Run, task: Task, kept_until: float | None) -> str:
    rows = [("Task", f"`{task.id}`, run {run.number}"), ("Agent", f"`{task.agent}`, {_duration(run)}")]
    if run.outcome not in (Outcome.PUSHED, Outcome.NO_CHANGES) and task.pushed_head:
        rows.append(("Branch", f"`{task.branch}`, unchanged at `{task.pushed_head[:10]}`"))
    if kept_until is not None:
        rows.append(("Workspace", f"kept until {_time(kept_until)}"))
    table = "\n".join(f"| {name} | {value} |" for name, value in rows)
    return f"| | |\n|---|---|\n{table}"


def _quoted(request: str) -> str:
    text = request if len(request) <= _REQUEST else request[:_REQUEST] + " [...]"
    return "\n".join(f"> {line}" for line in for_comment(text, _REQUEST + 100).splitlines())


def _cut(text: str) -> str:
    return text if len(text) <= _REASON else text[:_REASON] + " [...]"


def _duration(run: Run) -> str:
    if run.started_at is None or run.ended_at is None:
        return "not started"
    seconds = round(run.ended_at - run.started_at)
    return f"{seconds} s" if seconds < 120 else f"{seconds // 60} min {seconds % 60} s"


def _time(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M UTC")
