"""The HTML of a task's page. Pure: rows in, a document out.

Every word on it may have been chosen by a stranger (a title) or by an agent (a
log), so no text reaches the document except through `_Say`.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from bot.domain.change import Pages
from bot.domain.lifecycle import ENDED, ENDINGS, Phase, State
from bot.domain.task import Run, Task
from bot.domain.thread import Kind
from bot.domain.usage import Reached, Refusal, Spent
from bot.reports.command_syntax import change_reference, next_command, reference
from bot.reports.comments import session, used
from bot.store.removals import MOST_DEATHS
from bot.text.sanitize import shown
from bot.text.units import human, iso, moment

STYLE = Path(__file__).with_name("style.css").read_text()

_ORDER = list(Phase)  # two phases may begin in the same instant of the ledger's clock
_MOST_SHOWN = 20  # hosts, and kinds of requests, that one run shows
_Say = Callable[[str], str]  # a stranger's text in, HTML out


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """A run and what became of it."""

    run: Run
    phases: Sequence[tuple[Phase, float, float | None]]  # phase, start, end in seconds since the epoch
    refusals: Sequence[tuple[str, str]]  # what the forge would not take: kind, words
    spent: Spent  # on models
    reached: Sequence[Reached]  # package hosts, what was taken most from first
    kept_in: Sequence[Refusal]  # by the gateway, the most frequent first


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """All the page shows. Times are seconds since the epoch; `attempts` are newest first, at least one."""

    task: Task
    attempts: Sequence[Attempt]
    position: int  # of the newest run in its repository's line; 0: it does not wait
    kept_until: float | None
    removed: bool  # the workspace
    stuck: Sequence[str]  # names of its folders that the bot cannot remove
    has_patch: bool
    now: float
    pages: Pages | None  # None: no forge hears of this task
    log: str  # cleaned, of the newest run
    key: str  # signature of this page's own address


def render(view: View, secrets: Sequence[str]) -> str:
    def say(text: str) -> str:
        return escape(shown(text, secrets))

    task = view.task
    title = say(task.thread.title or f"Task {task.id}")
    parts = [
        f'<p><span class="badge {task.state}">{task.state}</span></p><h1>{title}</h1>',
        _where(view, say),
        _result(view, say),
        _section("facts", "Task", _facts(view, say)),
        _section("runs", "Runs", "".join(_attempt(view, attempt, say) for attempt in view.attempts)),
        _section("log", f"Log of run {view.attempts[0].run.number}", _log(view)),
        f"<footer>As of {_time(view.now)}. Reload for news. Keep this link to yourself.</footer>",
    ]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta name="robots" content="noindex, nofollow"><title>{title} · {task.state}</title>'
        f"<style>{STYLE}</style></head><body><main>{''.join(parts)}</main></body></html>\n"
    )


def _section(name: str, heading: str, content: str) -> str:
    return f'<section aria-labelledby="{name}"><h2 id="{name}">{heading}</h2>{content}</section>'


def _where(view: View, say: _Say) -> str:
    thread = view.task.thread
    if view.pages is None or thread.kind is Kind.CLI:
        return f'<p class="soft">{say(thread.repository_url)}</p>'
    return f"<p>{_link(view.pages.thread, f'{thread.path}{reference(thread)}', say)}</p>"


def _result(view: View, say: _Say) -> str:
    """What it came to and what to say next; while it has not ended, what it waits for."""
    run = view.attempts[0].run
    if run.state is State.QUEUED:
        if run.due_at is not None and run.due_at > view.now:
            until = _time(run.due_at)
            return _section("result", "Waiting", f"<p>Goes on by itself after the limit, at {until}.</p>")
        return _section("result", "Waiting", f"<p>Place in line: {view.position}. 1 is next.</p>")
    if run.state not in ENDED or run.outcome is None:
        doing = f'<p class="text">{say(run.doing)}</p>' if run.doing and run.phase is Phase.AGENT else ""
        return _section("result", "Running", f"<p>In phase {run.phase} since {_since(view)}.</p>{doing}")
    ending = ENDINGS[run.outcome]
    reason = f'<p class="text">{say(run.reason)}</p>' if run.reason else ""
    where, command = "on the thread", next_command(ending.next, view.task, newest=False)
    if view.task.thread.kind is Kind.CLI:
        verb = ending.next.removeprefix("/").partition(" ")[0]
        where, command = "on the command line", f"forgehand {verb} {view.task.id}"
    following = f'<p>Next, {where}: <code class="next">{say(command)}</code></p>'
    heading = f'<h2 id="result">{say(ending.says)}</h2>'
    return (
        f'<section class="result {run.state}" aria-labelledby="result">{heading}{reason}{following}</section>'
    )


def _since(view: View) -> str:
    phases = view.attempts[0].phases
    return _time(phases[-1][1]) if phases else "a moment ago"


def _facts(view: View, say: _Say) -> str:
    task, pages = view.task, view.pages
    branch = f"<code>{say(task.branch)}</code>"
    if task.pushed_head:
        commit = f"<code>{say(task.pushed_head[:10])}</code>"
        if pages is not None:
            branch = _link(pages.branch_at(task.branch), task.branch, say)
            commit = _link(pages.commit.format(sha=task.pushed_head), task.pushed_head[:10], say)
        branch += f" at {commit}"
    else:
        branch += ' <span class="soft">(not pushed)</span>'
    rows = [("Task", f"<code>{say(task.id)}</code>"), ("Repository", say(task.thread.repository_url))]
    rows += [("Branch", branch)] if task.branch else []
    if task.change_number is not None:
        rows.append(("Change", _link(task.change_url, change_reference(task), say)))
    rows += [("Base", say(task.base))] if task.base else []
    if view.has_patch:
        rows.append(("Changes", f'<a href="{escape(task.id)}/patch?key={view.key}">Patch</a>'))
    rows += [
        ("Agent", say(task.agent)),
        ("Asked", _time(task.created_at)),
        ("Workspace", _workspace(view, say)),
    ]
    return "<dl>" + "".join(f"<dt>{name}</dt><dd>{value}</dd>" for name, value in rows) + "</dl>"


def _workspace(view: View, say: _Say) -> str:
    until = f"until {_time(view.kept_until)}" if view.kept_until is not None else "while a run waits or works"
    stuck = [  # what an operator can do about it
        f"The bot died {MOST_DEATHS} times while it exported or removed this workspace, and no longer tries. "
        f"Run <code>forgehand workspaces rm {say(view.task.id)}</code> on the machine that has it: this "
        f"removes <code>workspaces/{say(folder)}</code> in the data folder, and unexported work with it."
        for folder in view.stuck
    ]
    if view.removed:
        return " ".join(["removed.", *stuck]) if stuck else "removed"
    return " ".join(stuck) or f"kept {until}"


def _attempt(view: View, attempt: Attempt, say: _Say) -> str:
    run = attempt.run
    outcome = str(run.outcome or run.state).replace("_", " ")
    status = f", exit status {run.exit_status}" if run.exit_status else ""
    parts = [
        f'<header><h3>Run {run.number}</h3><span class="badge {run.state}">{outcome}</span>'
        f'<span class="soft">asked by {say(run.asked_by.login)}, {_time(run.created_at)}{status}</span>'
        "</header>",
        f'<blockquote class="text">{say(run.request)}</blockquote>' if run.request else "",
        _phases(view, attempt),
    ]
    if told := session(run):
        parts.append(f"<p>{told}</p>")
    if run.reason and run is not view.attempts[0].run:
        parts.append(f'<p class="text">{say(run.reason)}</p>')
    if run.summary:
        parts.append(f'<p class="soft">The agent says:</p><div class="text">{say(run.summary)}</div>')
    parts += [f"<p>The forge refused the {kind}: {say(words)}</p>" for kind, words in attempt.refusals]
    parts += [_used(attempt), _reached(attempt, say), _kept_in(attempt, say)]
    parts.append(f"<p>{_log_link(view, run, 'Whole log')}</p>")
    return f"<article>{''.join(parts)}</article>"


def _phases(view: View, attempt: Attempt) -> str:
    if not attempt.phases:
        return ""
    shown_phases = [
        f"<li>{phase} <b>{_seconds((ended or view.now) - begun)}</b>{'' if ended else ' so far'}</li>"
        for phase, begun, ended in sorted(attempt.phases, key=lambda times: _ORDER.index(times[0]))
    ]
    return f'<ol class="phases" aria-label="Phases">{"".join(shown_phases)}</ol>'


def _used(attempt: Attempt) -> str:
    words = used(attempt.spent)
    return f"<p>Models: {attempt.spent.used.requests:,} requests, {words}.</p>" if words else ""


def _reached(attempt: Attempt, say: _Say) -> str:
    """Where the sandbox was led besides models, and how much passed."""
    passed = (f"{human(each.received)} received, {human(each.sent)} sent" for each in attempt.reached)
    return _outside("Reached", attempt.reached, passed, say)


def _kept_in(attempt: Attempt, say: _Say) -> str:
    """What the sandbox asked for and did not get."""
    return _outside("Refused", attempt.kept_in, (each.reason for each in attempt.kept_in), say)


def _outside(heading: str, counted: Sequence[Reached | Refusal], more: Iterable[str], say: _Say) -> str:
    """A list of what was counted, each with some words `more`."""
    items = [
        f'<li>{say(each.target)}, {_times(each.count)} <span class="soft">({say(words)})</span></li>'
        for each, words in zip(counted[:_MOST_SHOWN], more, strict=False)
    ]
    if others := counted[_MOST_SHOWN:]:
        items.append(f"<li>others, {_times(sum(each.count for each in others))}</li>")
    return f'<p>{heading}:</p><ul class="outside">{"".join(items)}</ul>' if items else ""


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count:,} times"


def _log(view: View) -> str:
    if not view.log.strip():
        return '<p class="soft">Nothing so far.</p>'
    return f'<pre class="log" tabindex="0">{escape(view.log)}</pre>'


def _log_link(view: View, run: Run, words: str) -> str:
    return f'<a href="{escape(run.task)}/log?key={view.key}&amp;run={run.number}">{words}</a>'


def _link(url: str, words: str, say: _Say) -> str:
    """A link, if the address is one of the web: others might do something when followed."""
    if not url.startswith(("https://", "http://")):
        return say(words)
    return f'<a href="{escape(url)}">{say(words)}</a>'


def _time(at: float) -> str:
    return f'<time datetime="{iso(at)}">{moment(at)}</time>'


def _seconds(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    return f"{seconds // 60:.0f} min {seconds % 60:.0f} s"
