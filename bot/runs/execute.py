"""One run, phase by phase: prepare, agent, export, push, report.

Phases never run backwards, and each leaves what the next one needs in the ledger:
a worker that finds the run in some phase goes on there, whoever began it.
"""

import threading
from contextlib import suppress
from dataclasses import replace
from functools import partial

import structlog

from bot.domain.errors import BotError, LeaseLost, LedgerUnavailable, NotAllowed, PushRejected, RemoteMissing
from bot.domain.interrupt import interruptible, within
from bot.domain.lifecycle import ENDINGS, Outcome, Phase
from bot.domain.task import Run
from bot.git.mirror import Mirror
from bot.git.push import push
from bot.runs.failover import LOST, is_elsewhere
from bot.runs.free_space import make_room
from bot.runs.leased_run import Attempt, Stopped, take_up, watched
from bot.runs.patch import keep_patch
from bot.runs.phases import agent, finish
from bot.runs.phases.export import export_plan
from bot.runs.phases.prepare import credentials, fetch, prepare
from bot.runs.renamed_repository import has_moved
from bot.runs.runtime import House
from bot.runs.verdict import Verdict, phase_of, verdict_on
from bot.sandbox.export import take
from bot.sandbox.export.take import Exported
from bot.sandbox.workspace import Workspaces
from bot.store import leases, runs
from bot.store.leases import TAKEOVERS
from bot.text.sanitize import visible

log = structlog.get_logger()

_PAUSE = 1.0  # seconds between two looks whether the ledger is back
_REMOVE = 60.0  # seconds to wait for the removal of the sandbox of a run that did not end well
_REMOVE_CANCELLED = 0.5  # and of one that was cancelled: its thread is not to wait for an engine that hangs
EXPORT_OF_CANCELLED = 30.0  # seconds the work of a cancelled agent may take to come out of its workspace


def execute(house: House, run: Run, stopping: threading.Event) -> None:
    """Work on a claimed run until it has ended, is not ours any more, or `stopping` is set."""
    while True:
        try:
            _to_the_end(take_up(house, run, stopping))
        except LeaseLost:
            log.warning("run was taken over", epoch=run.epoch)
        except LedgerUnavailable as error:
            # It kills nothing: where the ledger says the run stands, we go on as another worker would.
            log.warning("ledger went away", error=type(error).__name__)
            if not stopping.wait(_PAUSE):
                continue
        return


def _to_the_end(attempt: Attempt) -> None:
    house = attempt.house
    try:
        with watched(attempt):
            verdict = _verdict(attempt)
            keep_patch(attempt)
            say_next = verdict.say_next or ENDINGS[verdict.outcome].next
            finish.settle(attempt, verdict.outcome, verdict.reason, say_next)
    except Stopped:
        with house.ledger.write() as tx:
            leases.release(tx, attempt.lease)
        log.info("run let go", phase=phase_of(attempt))
    else:
        log.info("run ended", outcome=verdict.outcome, reason=verdict.reason)


def _verdict(attempt: Attempt) -> Verdict:
    """The one place where what went wrong in a phase becomes an outcome."""
    try:
        if attempt.run.takeovers < TAKEOVERS:
            return _go_on(attempt)
        verdict = Verdict(Outcome.LOST, f"Its worker died {TAKEOVERS} times in phase {attempt.run.phase}.")
    except (LeaseLost, Stopped, LedgerUnavailable):
        raise
    except Exception as error:  # noqa: BLE001 - a bug of ours must still end the run and be told
        verdict = verdict_on(attempt, error)
    # What failed may have failed because another worker has the run: then the sandbox is that one's.
    attempt.must_be_ours()
    # The next run of the task, or the janitor, removes what an engine that hangs does not remove now.
    seconds = _REMOVE_CANCELLED if verdict.outcome is Outcome.CANCELLED else _REMOVE
    with suppress(BotError, TimeoutError):
        interruptible(lambda: attempt.house.engine.remove(attempt.sandbox), within(seconds))
    attempt.house.gateway.remove(attempt.run.id)
    return verdict


def _go_on(attempt: Attempt) -> Verdict:
    """From the recorded phase to the end."""
    phase = attempt.run.phase
    if phase is not Phase.PUSH:
        attempt.clear_away()
    if phase is not Phase.PREPARE and is_elsewhere(attempt):
        # To push again would need what is lost, too.
        return Verdict(Outcome.LOST, LOST, "/resume <what to do again>" if phase is Phase.PUSH else "")
    if phase is Phase.PUSH:
        attempt.enter(Phase.PUSH)
        return _push(attempt, fetch(attempt))
    if phase is Phase.PREPARE:
        attempt.enter(Phase.PREPARE)
        if spent := attempt.house.gateway.spent(attempt.run, attempt.task):
            return Verdict(Outcome.OVER_BUDGET, spent)
    return _work(attempt, phase)


def _work(attempt: Attempt, phase: Phase) -> Verdict:
    """All that is done in a workspace, from this phase on, and the push of what came of it."""
    house = attempt.house
    places = house.workspaces()
    if phase is Phase.PREPARE:
        make_room(attempt)
        source = prepare(attempt, places)
        attempt.check()
        attempt.enter(Phase.AGENT)
    else:
        source = replace(house.mirror(attempt.task), check=attempt.check)
    if phase in (Phase.PREPARE, Phase.AGENT):
        _agent(attempt, places, source)
    with attempt.undisturbed(_export_despite_cancel(attempt)):
        attempt.asking(lambda: house.engine.remove(attempt.sandbox))
        verdict = _export(attempt, places, source)
    if verdict.outcome is Outcome.CANCELLED:
        return verdict
    attempt.check()
    if verdict.outcome is not Outcome.PUSHED:
        return verdict
    attempt.enter(Phase.PUSH)
    return _push(attempt, source)


def _export_despite_cancel(attempt: Attempt) -> float:
    """Return for how many seconds a cancel does not end the export."""
    cancelled = attempt.run.agent_outcome is Outcome.CANCELLED
    # A worker that died may have promoted the export and not have recorded it. Nobody would do so later.
    promoted = take.is_done(attempt.house.quarantine(attempt.task.id), attempt.run.id)
    return EXPORT_OF_CANCELLED if cancelled or promoted else 0


def _agent(attempt: Attempt, places: Workspaces, source: Mirror) -> None:
    ended = agent.follow(attempt, places, source.path)
    with attempt.house.ledger.write() as tx:
        leases.write(
            tx,
            attempt.lease,
            agent_outcome=ended.outcome,
            exit_status=ended.exit_status,
            reason=ended.reason,
            summary=ended.said,
        )
        leases.enter(tx, attempt.lease, Phase.EXPORT)
        attempt.run = runs.get(tx, attempt.run.id)


def _export(attempt: Attempt, places: Workspaces, source: Mirror) -> Verdict:
    """Take out what the agent made. PUSHED here means: may be pushed."""
    failed, house = attempt.run.agent_outcome, attempt.house
    try:
        plan = export_plan(attempt, places, source)
        exported = attempt.retrying(lambda: take.take(house.engine, house.tools_image, plan))
    except BotError as error:
        if isinstance(error, LeaseLost) or failed is None:
            raise
        return Verdict(failed, f"{attempt.run.reason} What it left could not be exported: {error}".strip())
    summary = exported.result.summary or attempt.run.summary
    attempt.settle({"summary": summary}, checked_head=exported.head)
    if failed is None:
        return _judge(exported)
    # What it asked before it failed may be why it did.
    asked = (
        f"It had asked: {exported.question}" if exported.question and failed is not Outcome.QUESTION else ""
    )
    return Verdict(failed, f"{attempt.run.reason} {asked}".strip())


def _judge(exported: Exported) -> Verdict:
    if exported.question:
        return Verdict(Outcome.QUESTION, exported.question)
    if not exported.changed:
        return Verdict(Outcome.NO_CHANGES)
    if exported.power:
        paths = ", ".join(f"`{visible(path).replace('`', '')}`" for path in exported.power)
        return Verdict(Outcome.HELD, paths)
    return Verdict(Outcome.PUSHED)


def _still_allowed(attempt: Attempt) -> None:
    """Raises NotAllowed, ForgeUnavailable."""
    person, thread = attempt.run.asked_by, attempt.task.thread
    forge = attempt.house.forge_of(attempt.task)
    if forge is None or attempt.by_operator:
        return
    if not attempt.asking(lambda: forge.may_write(thread, person)):
        raise NotAllowed(f"{person.login} may not write to this repository any more.")


def _push(attempt: Attempt, source: Mirror) -> Verdict:
    """Push the checked head. Permission is asked again: it may be gone since the command."""
    _still_allowed(attempt)
    oid = attempt.task.checked_head
    try:
        attempt.retrying(partial(_push_from, attempt, source))
    except RemoteMissing:
        if not has_moved(attempt):
            raise
        attempt.retrying(partial(_push_from, attempt, fetch(attempt)))
    except PushRejected as error:
        # Fetched so that the next run shows the agent what was pushed; it may be what a dead worker pushed.
        if not error.moved or fetch(attempt).head(attempt.task.branch) != oid:
            raise
    attempt.settle(pushed_head=oid, approved_head="")
    return Verdict(Outcome.PUSHED)


def _push_from(attempt: Attempt, source: Mirror) -> None:
    """Once, to where this mirror is of, with the branch as it was there when it was fetched."""
    task = attempt.task
    push(
        quarantine=attempt.house.quarantine(task.id),
        mirror=source.path,
        url=source.url,
        headers=credentials(attempt),
        branch=task.branch,
        oid=task.checked_head,
        expected=source.head(task.branch),
        never={source.default_name},
        since=(task.pushed_head or task.pinned) if task.here else "",
        check=attempt.check,
    )
