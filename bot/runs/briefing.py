"""The prompt of one run, from what the ledger knows: a first run's, and what is new to a later one.

An agent that goes on in its session remembers what it was asked and shown, and is
told only what is new. One that begins afresh is told all of it again.
"""

from collections.abc import Collection, Sequence
from datetime import UTC, datetime

from bot.agents import prompt
from bot.domain.lifecycle import ENDINGS, Outcome, Phase
from bot.domain.task import Run
from bot.domain.thread import Part, PartKind
from bot.reports.phrases import TO_THE_AGENT
from bot.runs.leased_run import LeasedRun
from bot.store import runs as run_rows
from bot.text.thread_context import bounded, unseen

_REQUESTS, _REQUEST = 10, 4_000  # of the runs before: how many are told again, and characters of each
_KEPT = "The checkout and your home are as the last run left them, uncommitted and untracked files included."
_FRESH_SESSION = "You begin a fresh session, and so all that was asked and shown before is told again here."


def briefing(leased: LeasedRun, refs: Collection[str], *, fresh: bool) -> str:
    """The text of `/task/prompt.md`. `fresh`: the workspace was made for this run."""
    run, task = leased.run, leased.task
    with leased.runtime.ledger.read() as tx:
        earlier = [each for each in run_rows.of_task(tx, task.id) if each.number < run.number]
    # Who goes on in a session remembers what its runs were asked; those that never began told it nothing,
    # nor did those that were to go on in it and ended before they said that they did.
    told = [each for each in earlier if each.agent_started and (each.session or not each.session_from)]
    known = told if run.session_from else []
    # One that ended before its agent began (a budget, a cancel in line) is no news to the next one.
    came = [each for each in earlier if each.agent_started or each.first_phase is Phase.PUSH]
    return prompt.write(
        request=run.request,
        branch=task.branch,
        base=task.base,
        refs=sorted(refs),
        context=[*bounded(_of_last(came)), *_shown(run, earlier, known)],
        resumed=_resumed(came, fresh=fresh, remembers=bool(known)),
        before=_requests(run, earlier, known),
        on_change=bool(task.pinned),
    )


def _resumed(came: Sequence[Run], *, fresh: bool, remembers: bool) -> str:
    if not came:
        return ""
    outcome = came[-1].outcome
    ended = f"How that ended: {ENDINGS[outcome].sentence}" if outcome else ""
    parts = [ended, TO_THE_AGENT if fresh else _KEPT, "" if remembers else _FRESH_SESSION]
    return " ".join(part for part in parts if part)


def _requests(run: Run, earlier: Sequence[Run], known: Sequence[Run]) -> list[str]:
    """What was asked before and the agent does not know, each request once: `/resume` alone repeats one."""
    heard = {run.request, *(each.request for each in known)}
    asked = [*dict.fromkeys(each.request for each in earlier if each.request not in heard)]
    return [text if len(text) <= _REQUEST else f"{text[:_REQUEST]} …" for text in asked[-_REQUESTS:]]


def _shown(run: Run, earlier: Sequence[Run], known: Sequence[Run]) -> list[Part]:
    """What others wrote and the agent was not shown; of what earlier commands were about, the lines."""
    seen = {part for each in known for part in each.context}
    lines = [part for each in earlier for part in each.context if part.kind is PartKind.LINES]
    return unseen(dict.fromkeys([*lines[-_REQUESTS:], *run.context]), seen)


def _of_last(came: Sequence[Run]) -> list[Part]:
    """Words of the last run. Its agent's, a remote's or a forge's: none of them may instruct."""
    if not came:
        return []
    last = came[-1]
    # To push once more what an agent made has nothing to say of it.
    summary = next((each.summary for each in reversed(came) if each.agent_started), "")
    ended = datetime.fromtimestamp(last.ended_at or last.created_at, UTC).isoformat(timespec="seconds")
    asked = last.outcome is Outcome.QUESTION
    why = PartKind.QUESTION if asked else PartKind.REASON
    agent = "the agent of the last run"
    return [
        Part(kind=why, text=last.reason, author=agent if asked else "", at=ended),
        Part(kind=PartKind.SUMMARY, text=summary, author=agent, at=ended),
    ]
