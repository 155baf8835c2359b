"""`/tasks/<id>`: what became of a task, for whoever holds its link.

A wrong key and an unknown task get the same answer, so nobody learns which ids exist.
"""

import asyncio
import base64
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from bot.agents.agent import Agent, Listener
from bot.agents.command_line import Command
from bot.domain.errors import NotPossible
from bot.domain.task import Run
from bot.forges.forge import Forge
from bot.store import costs, outbox, patches, removals, runs, shared_keys, tasks, usage, workspaces
from bot.store.ledger import Ledger, clock
from bot.text import patch_view
from bot.web import run_log, task_page
from bot.web.task_page import Attempt, View

_STYLE_HASH = base64.b64encode(hashlib.sha256(task_page.STYLE.encode()).digest()).decode()
_HEADERS = {
    "content-security-policy": (
        f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "cache-control": "no-store",
    "referrer-policy": "no-referrer",  # the address holds the key
    "x-content-type-options": "nosniff",
    "x-robots-tag": "noindex, nofollow",
}

_ANY = Command(())


@dataclass(frozen=True, slots=True, kw_only=True)
class Viewer:
    """What the pages are made from. `secrets` are taken out of everything shown."""

    ledger: Ledger
    link_key: bytes
    forges: Mapping[str, Forge]
    secrets: Sequence[str]
    agents: Mapping[str, Agent] = field(default_factory=dict)  # to read what they print
    operator_token: str = ""  # as `Authorization: Bearer`, opens every page; "" opens none


def routes(viewer: Viewer) -> list[Route]:
    return [
        Route("/tasks/{task}", partial(_task, viewer)),
        Route("/tasks/{task}/log", partial(_log, viewer)),
        Route("/tasks/{task}/patch", partial(_patch, viewer)),
    ]


async def _task(viewer: Viewer, request: Request) -> Response:
    if not _may_see(viewer, request):
        return _not_found()
    try:
        html = await asyncio.to_thread(_page, viewer, request.path_params["task"])
    except NotPossible:
        return _not_found()
    return HTMLResponse(html, headers=_HEADERS)


async def _log(viewer: Viewer, request: Request) -> Response:
    if not _may_see(viewer, request):
        return _not_found()
    wanted = request.query_params.get("run", "")
    run_id = await asyncio.to_thread(_run_id, viewer, request.path_params["task"], wanted)
    if run_id is None:
        return _not_found()
    pieces = run_log.whole(viewer.ledger, run_id, viewer.secrets)
    return StreamingResponse(pieces, headers=_HEADERS, media_type="text/plain; charset=utf-8")


async def _patch(viewer: Viewer, request: Request) -> Response:
    if not _may_see(viewer, request):
        return _not_found()
    text = await asyncio.to_thread(_patch_text, viewer, request.path_params["task"])
    return _not_found() if text is None else PlainTextResponse(text, headers=_HEADERS)


def _may_see(viewer: Viewer, request: Request) -> bool:
    expected = f"Bearer {viewer.operator_token}".encode()
    if viewer.operator_token and hmac.compare_digest(
        request.headers.get("authorization", "").encode(), expected
    ):
        return True
    given = request.query_params.get("key", "")
    return shared_keys.signature_holds(viewer.link_key, request.path_params["task"], given)


def _not_found() -> Response:
    return PlainTextResponse("There is nothing here, or not with this link.\n", 404, headers=_HEADERS)


def _run_id(viewer: Viewer, task_id: str, number: str) -> str | None:
    with viewer.ledger.read() as tx:
        return next((run.id for run in runs.of_task(tx, task_id) if str(run.number) == number), None)


def _patch_text(viewer: Viewer, task_id: str) -> str | None:
    """What the last run left; git's own tools pass over the lines before it."""
    with viewer.ledger.read() as tx:
        found = patches.newest(tx, task_id)
    if found is None:
        return None
    size = "" if found.is_whole else f" The first {len(found.text):,} of {found.size:,} bytes."
    return (
        f"What run {found.number} of task {task_id} left, to read: what cannot be seen is left out.{size}\n"
        + patch_view.whole(found.text, viewer.secrets)
    )


def _listener(viewer: Viewer, run: Run) -> Listener:
    """Of an agent that the settings have no more, every line is shown as it is."""
    return viewer.agents.get(run.agent, _ANY).listen()


def _page(viewer: Viewer, task_id: str) -> str:
    with viewer.ledger.read() as tx:
        task = tasks.get(tx, task_id)
        spent = costs.of_task(tx, task_id)
        attempts = [
            Attempt(
                run=run,
                phases=runs.phase_times(tx, run.id),
                refusals=outbox.refusals(tx, run.id),
                spent=spent[run.id],
                reached=usage.reached(tx, run.id),
                kept_in=usage.refused(tx, run.id),
            )
            for run in reversed(runs.of_task(tx, task_id))
        ]
        newest = attempts[0].run
        position = runs.position(tx, newest)
        kept = workspaces.get(tx, task_id)
        stuck = removals.stuck_of_task(tx, task_id)
        has_patch = patches.exists(tx, task_id)
        now = clock(tx)
    forge = viewer.forges.get(task.thread.forge)
    view = View(
        task=task,
        attempts=attempts,
        position=position,
        kept_until=kept.keep_until if kept and kept.removed_at is None else None,
        removed=kept is not None and kept.removed_at is not None,
        stuck=[each.folder for each in stuck],
        has_patch=has_patch,
        now=now,
        pages=forge.pages(task.thread) if forge else None,
        log=run_log.ends(viewer.ledger, newest.id, viewer.secrets, _listener(viewer, newest)),
        key=shared_keys.task_signature(viewer.link_key, task_id),
    )
    return task_page.render(view, viewer.secrets)
