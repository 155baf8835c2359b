"""`/tasks/<id>`: the page, log and patch of a task, for everyone who has its link.

A wrong key and an unknown task get the same answer, so that nobody learns which ids exist.
"""

import asyncio
import base64
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from jinja2 import Environment
from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from bot.agents.agent import Agent, OutputParser
from bot.agents.command_line import CommandLineAgent
from bot.domain.errors import NotPossible
from bot.domain.task import Run
from bot.forges.forge import Forge
from bot.store import costs, outbox, patches, removals, runs, shared_keys, tasks, usage, workspaces
from bot.store.ledger import Ledger, clock
from bot.text import patch_view
from bot.web import rendering, task_page
from bot.web.run_log import LogFollower, excerpt
from bot.web.task_view import RunView, WorkspaceView

_STYLE_HASH = base64.b64encode(hashlib.sha256(rendering.STYLE.encode()).digest()).decode()
_HEADERS = {
    "content-security-policy": (
        f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "cache-control": "no-store",
    "referrer-policy": "no-referrer",  # the address contains the key
    "x-content-type-options": "nosniff",
    "x-robots-tag": "noindex, nofollow",
}

_UNKNOWN_AGENT = CommandLineAgent(())


@dataclass(frozen=True, slots=True, kw_only=True)
class Viewer:
    """The sources of all pages. `secrets` are removed from everything shown."""

    ledger: Ledger
    link_key: bytes
    forges: Mapping[str, Forge]
    secrets: Sequence[str]
    agents: Mapping[str, Agent] = field(default_factory=dict)  # to read their output
    operator_token: str = ""  # as `Authorization: Bearer`, opens every page; "" opens none


def routes(viewer: Viewer) -> list[Route]:
    environment = rendering.environment(viewer.secrets)
    return [
        Route("/tasks/{task}", partial(_task, viewer, environment)),
        Route("/tasks/{task}/log", partial(_log, viewer)),
        Route("/tasks/{task}/patch", partial(_patch, viewer)),
    ]


async def _task(viewer: Viewer, environment: Environment, request: Request) -> Response:
    if not _may_see(viewer, request):
        return _not_found()
    try:
        html = await asyncio.to_thread(_page, viewer, environment, request.path_params["task"])
    except NotPossible:
        return _not_found()
    return HTMLResponse(html, headers=_HEADERS)


async def _log(viewer: Viewer, request: Request) -> Response:
    if not _may_see(viewer, request):
        return _not_found()
    number = request.query_params.get("run", "")
    run_id = await asyncio.to_thread(_run_id, viewer, request.path_params["task"], number)
    if run_id is None:
        return _not_found()
    log = LogFollower(viewer.ledger, run_id, viewer.secrets)
    return StreamingResponse(log.pieces(last=True), headers=_HEADERS, media_type="text/plain; charset=utf-8")


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
    key = request.query_params.get("key", "")
    return shared_keys.signature_holds(viewer.link_key, request.path_params["task"], key)


def _not_found() -> Response:
    return PlainTextResponse(
        "There is nothing here, or this link does not give access to it.\n", 404, headers=_HEADERS
    )


def _run_id(viewer: Viewer, task_id: str, number: str) -> str | None:
    with viewer.ledger.read() as tx:
        return next((run.id for run in runs.of_task(tx, task_id) if str(run.number) == number), None)


def _patch_text(viewer: Viewer, task_id: str) -> str | None:
    """Return the newest patch after a line about its origin. git's own tools skip that line."""
    with viewer.ledger.read() as tx:
        patch = patches.newest(tx, task_id)
    if patch is None:
        return None
    size = "" if patch.is_whole else f" The first {len(patch.text):,} of {patch.size:,} bytes."
    origin = f"Patch of run {patch.number} of task {task_id}, for reading: invisible characters are removed."
    return f"{origin}{size}\n{patch_view.whole(patch.text, viewer.secrets)}"


def _output_parser(viewer: Viewer, run: Run) -> OutputParser:
    """Return a reader of the run's output; if its agent is not configured now, every line is shown."""
    return viewer.agents.get(run.agent, _UNKNOWN_AGENT).output_parser()


def _page(viewer: Viewer, environment: Environment, task_id: str) -> str:
    with viewer.ledger.read() as tx:
        task = tasks.get(tx, task_id)
        newest, *earlier = reversed(runs.of_task(tx, task_id))
        phases = runs.phase_times(tx, newest.id)
        position = runs.queue_position(tx, newest)
        run_views = _run_views(tx, newest, earlier)
        workspace = _workspace_view(tx, task_id)
        has_patch = patches.exists(tx, task_id)
        now = clock(tx)
    forge = viewer.forges.get(task.thread.forge)
    addresses = forge.pages(task.thread) if forge else None
    view = task_page.task_view(
        task,
        task_page.thread_link(task, addresses),
        result=task_page.result_view(task, newest, phases, position, now),
        facts=task_page.facts_view(task, addresses, workspace, has_patch=has_patch),
        runs=run_views,
        log=excerpt(viewer.ledger, newest.id, viewer.secrets, _output_parser(viewer, newest)),
        key=shared_keys.task_signature(viewer.link_key, task_id),
        now=now,
    )
    return task_page.render(environment, view)


def _run_views(tx: Connection, newest: Run, earlier: Sequence[Run]) -> list[RunView]:
    spent = costs.of_task(tx, newest.task)
    return [
        task_page.run_view(
            run,
            is_newest=run is newest,
            phases=runs.phase_times(tx, run.id),
            refusals=outbox.refusals(tx, run.id),
            spent=spent[run.id],
            reached=usage.reached(tx, run.id),
            blocked=usage.refused(tx, run.id),
        )
        for run in (newest, *earlier)
    ]


def _workspace_view(tx: Connection, task_id: str) -> WorkspaceView:
    row = workspaces.get(tx, task_id)
    removed = row is not None and row.removed_at is not None
    return WorkspaceView(
        removed=removed,
        retained_until=row.keep_until if row and not removed else None,
        stuck=[each.folder for each in removals.stuck_of_task(tx, task_id)],
    )
