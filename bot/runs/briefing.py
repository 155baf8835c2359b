"""The prompt of one run, made from the ledger: of a first run, or of a later one.

An agent that resumes its session remembers earlier requests and context, so its
prompt has only the new parts. A fresh session gets all of them again.
"""

from collections.abc import Collection, Sequence
from datetime import UTC, datetime

from bot.agents import prompt
from bot.domain.lifecycle import Phase
from bot.domain.outcomes import ENDINGS, Outcome
from bot.domain.task import Run
from bot.domain.thread import Part, PartKind
from bot.reports.phrases import TO_THE_AGENT
from bot.runs.leased_run import LeasedRun
from bot.store import runs as run_rows
from bot.text.thread_context import bounded, unseen

_REQUESTS, _REQUEST = 10, 4_000  # earlier requests that are repeated, and characters of each
_RETAINED = (
    "The checkout and your home are as the last run left them, uncommitted and untracked files included."
)
_FRESH_SESSION = "Your session is new, so earlier requests and their context are repeated here."


def briefing(leased: LeasedRun, refs: Collection[str], submodules: Sequence[str] = (), *, fresh: bool) -> str:
    """Return the text of `/task/prompt.md`. `fresh` means that the workspace was created for this run."""
    run, task = leased.run, leased.task
    with leased.runtime.ledger.read() as tx:
        earlier = [each for each in run_rows.of_task(tx, task.id) if each.number < run.number]
    # A resumed session knows the requests of its earlier runs, except of runs whose agent never started, and
    # of runs that ended before the agent confirmed that it had resumed the session.
    prompted = [each for each in earlier if each.agent_started and (each.session or not each.session_from)]
    known = prompted if run.session_from else []
    # A run that ended before its agent started (no budget, cancelled while queued) is not worth mentioning.
    reported = [each for each in earlier if each.agent_started or each.first_phase is Phase.PUSH]
    return prompt.write(
        request=run.request,
        branch=task.branch,
        base=task.base,
        refs=sorted(refs),
        submodules=submodules,
        context=[*bounded(_of_last(reported)), *_shown(run, earlier, known)],
        resumed=_resumed(reported, fresh=fresh, remembers=bool(known)),
        before=_requests(run, earlier, known),
        moved=run.moved,
        unmerged=f"origin/{task.base}" if task.left_head else "",
        on_change=bool(task.pinned),
    )


def _resumed(reported: Sequence[Run], *, fresh: bool, remembers: bool) -> str:
    if not reported:
        return ""
    outcome = reported[-1].outcome
    ended = f"How that ended: {ENDINGS[outcome].sentence}" if outcome else ""
    parts = [ended, TO_THE_AGENT if fresh else _RETAINED, "" if remembers else _FRESH_SESSION]
    return " ".join(part for part in parts if part)


def _requests(run: Run, earlier: Sequence[Run], known: Sequence[Run]) -> list[str]:
    """Return earlier requests that the agent does not know, each once: a bare `/resume` repeats a request."""
    known_requests = {run.request, *(each.request for each in known)}
    unknown = [*dict.fromkeys(each.request for each in earlier if each.request not in known_requests)]
    return [text if len(text) <= _REQUEST else f"{text[:_REQUEST]} …" for text in unknown[-_REQUESTS:]]


def _shown(run: Run, earlier: Sequence[Run], known: Sequence[Run]) -> list[Part]:
    """Return the context that the agent was not shown.

    Of earlier runs only the lines of code that their commands were about; of this run everything.
    """
    seen = {part for each in known for part in each.context}
    lines = [part for each in earlier for part in each.context if part.kind is PartKind.LINES]
    return unseen(dict.fromkeys([*lines[-_REQUESTS:], *run.context]), seen)


def _of_last(reported: Sequence[Run]) -> list[Part]:
    """Return reason and summary of the last run as parts of the context.

    The text may come from an agent, a remote or a forge, so the agent must not take it as instructions.
    """
    if not reported:
        return []
    last = reported[-1]
    # A run that only pushes has no summary: take the one of the agent that made the work.
    summary = next((each.summary for each in reversed(reported) if each.agent_started), "")
    ended = datetime.fromtimestamp(last.ended_at or last.created_at, UTC).isoformat(timespec="seconds")
    asked = last.outcome is Outcome.QUESTION
    reason = f"{last.reason}\n\n{last.unexported}".strip()
    why = PartKind.QUESTION if asked else PartKind.REASON
    agent = "the agent of the last run"
    return [
        Part(kind=why, text=reason, author=agent if asked else "", at=ended),
        Part(kind=PartKind.SUMMARY, text=summary, author=agent, at=ended),
    ]
