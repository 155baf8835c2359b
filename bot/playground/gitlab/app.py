"""The routes of GitLab's REST API v4, and the way of a request to its handler."""

import time
from collections.abc import Callable
from email.utils import formatdate
from typing import Any
from urllib.parse import unquote

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route, Router
from starlette.types import Receive, Scope, Send

from bot.playground import git_http, permissions
from bot.playground.calls import Backend, Call, Handler, parsed
from bot.playground.gitlab import (
    hooks,
    issue_moves,
    label_events,
    merge_requests,
    notes,
    projects,
    statuses,
    threads,
)
from bot.playground.gitlab.calls import Refused, forbidden, not_found
from bot.playground.permissions import BadCredentials, caller
from bot.playground.rate_limits import Limits
from bot.playground.state import Repository, State, User

PREFIX = "/api/v4"
_SLASH = "\x1f"  # stands for the slash within a project's path or a branch, which is sent as %2F


_THREAD = "/{kind}/{iid:int}"
_NOTES, _DISCUSSIONS = f"{_THREAD}/notes", f"{_THREAD}/discussions"
# Method, path below the project, and the least role of the caller. Writing requires a login.
_PROJECT: tuple[tuple[str, str, str, Handler], ...] = (
    ("GET", "", "read", projects.get),
    ("PUT", "", "maintain", projects.edit),
    ("DELETE", "", "admin", projects.remove),
    ("POST", "/archive", "admin", projects.archive),
    ("POST", "/unarchive", "admin", projects.unarchive),
    ("POST", "/fork", "read", merge_requests.fork),
    ("GET", "/members/all/{user:int}", "read", projects.get_member),
    ("GET", "/members/{user:int}", "read", projects.get_member),
    ("POST", "/members", "maintain", projects.add_member),
    ("PUT", "/members/{user:int}", "maintain", projects.edit_member),
    ("DELETE", "/members/{user:int}", "maintain", projects.remove_member),
    ("GET", "/labels", "read", projects.labels),
    ("POST", "/labels", "triage", projects.add_label),
    ("GET", "/repository/branches/{branch}", "read", projects.get_branch),
    ("GET", "/repository/compare", "read", projects.compare),
    ("POST", "/protected_branches", "maintain", projects.protect),
    ("DELETE", "/protected_branches/{branch}", "maintain", projects.unprotect),
    ("POST", "/statuses/{sha}", "write", statuses.set_status),
    ("GET", "/repository/commits/{sha}/statuses", "read", statuses.every),
    ("GET", "/hooks", "maintain", hooks.every),
    ("POST", "/hooks", "maintain", hooks.add),
    ("GET", "/hooks/{hook:int}", "maintain", hooks.get),
    ("DELETE", "/hooks/{hook:int}", "maintain", hooks.remove),
    ("GET", "/hooks/{hook:int}/events", "maintain", hooks.events),
    ("POST", "/hooks/{hook:int}/events/{event:int}/resend", "maintain", hooks.resend),
    ("POST", "/merge_requests", "read", merge_requests.create),
    ("POST", f"{_THREAD}/move", "read", issue_moves.move),
    ("PUT", f"{_THREAD}/merge", "read", merge_requests.merge),
    ("GET", f"{_THREAD}/diffs", "read", merge_requests.diffs),
    ("GET", f"{_THREAD}/approvals", "read", merge_requests.approvals),
    ("POST", f"{_THREAD}/approve", "read", merge_requests.approve),
    ("POST", f"{_THREAD}/unapprove", "read", merge_requests.unapprove),
    ("GET", f"{_THREAD}/resource_label_events", "read", label_events.every),
    ("GET", _NOTES, "read", notes.every),
    ("POST", _NOTES, "read", notes.create),
    ("GET", f"{_NOTES}/{{note:int}}", "read", notes.get),
    ("PUT", f"{_NOTES}/{{note:int}}", "read", notes.edit),
    ("DELETE", f"{_NOTES}/{{note:int}}", "read", notes.remove),
    ("GET", _DISCUSSIONS, "read", notes.discussions),
    ("POST", _DISCUSSIONS, "read", notes.begin),
    ("GET", f"{_DISCUSSIONS}/{{discussion}}", "read", notes.get_discussion),
    ("POST", f"{_DISCUSSIONS}/{{discussion}}/notes", "read", notes.reply),
    ("PUT", f"{_DISCUSSIONS}/{{discussion}}/notes/{{note:int}}", "read", notes.edit),
    ("DELETE", f"{_DISCUSSIONS}/{{discussion}}/notes/{{note:int}}", "read", notes.remove),
    *(
        (method, f"{subject}/award_emoji{last}", "read", handler)
        for subject in (_THREAD, f"{_NOTES}/{{note:int}}")
        for method, last, handler in (
            ("GET", "", notes.awards),
            ("POST", "", notes.award),
            ("DELETE", "/{award:int}", notes.unaward),
        )
    ),
    ("GET", "/{kind}", "read", threads.every),
    ("POST", "/{kind}", "read", threads.create),
    ("GET", _THREAD, "read", threads.get),
    ("PUT", _THREAD, "read", threads.edit),
    ("DELETE", _THREAD, "read", threads.remove),
)
_ELSEWHERE: tuple[tuple[str, str, Handler], ...] = (
    ("GET", "/user", projects.me),
    ("GET", "/users", projects.users),
    ("GET", "/users/{user:int}", projects.get_user),
)


def mount(backend: Backend) -> Mount:
    tables = [(method, f"/projects/{{project}}{path}", role, then) for method, path, role, then in _PROJECT]
    tables += [(method, path, "login", then) for method, path, then in _ELSEWHERE]
    routes = [
        Route(path, _endpoint(backend, role, then), methods=[method]) for method, path, role, then in tables
    ]
    router = Router([Mount(PREFIX, routes=routes)], default=_nothing)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        # Starlette matches the decoded path, where an encoded slash looks like any other.
        raw = scope["raw_path"].decode("ascii")
        path = unquote(raw.replace("%2F", _SLASH).replace("%2f", _SLASH))
        await router({**scope, "path": path, "root_path": ""}, receive, send)

    return Mount(PREFIX, app=app)


async def _nothing(scope: Scope, receive: Receive, send: Send) -> None:
    await JSONResponse({"error": "404 Not Found"}, 404)(scope, receive, send)


def _endpoint(backend: Backend, role: str, handler: Handler) -> Callable[[Request], Any]:
    async def endpoint(request: Request) -> Response:
        body = await request.body()
        return await run_in_threadpool(_respond, backend, request, role, handler=handler, body=body)

    return endpoint


def _respond(backend: Backend, request: Request, role: str, *, handler: Handler, body: bytes) -> Response:
    """Handle one request while no other runs."""
    headers: dict[str, str] = {}
    with backend.state.lock:
        try:
            user = _who(backend.state, request)
            headers, spent = _count(backend.limits, user)
            if spent:
                return PlainTextResponse("Retry later\n", 429, headers)
            path = {
                name: value.replace(_SLASH, "/") if isinstance(value, str) else value
                for name, value in request.path_params.items()
            }
            where = _find(backend.state, request, user, path.pop("project", None))
            if isinstance(where, Response):
                return where
            _permit(backend.state, request, user, where=where, role=role)
            call = Call(
                state=backend.state, sender=backend.sender, path=path, query=dict(request.query_params),
                url=f"{backend.state.base_url}{_raw(request)}", body=_parsed(body), user=user,
                repository=where,
            )  # fmt: skip
            answer = handler(call)
        except Refused as error:
            return JSONResponse(error.body, error.status, headers)
        if request.method != "GET":
            backend.state.save()
    if answer.status == 204:
        return Response(status_code=204, headers=headers)
    return JSONResponse(answer.body, answer.status, {**headers, **answer.headers})


def _raw(request: Request) -> str:
    return str(request.scope["raw_path"].decode("ascii"))


def _who(state: State, request: Request) -> User | None:
    token = request.headers.get("private-token")
    given = f"Bearer {token}" if token else request.headers.get("authorization")
    try:
        return caller(state, given)
    except BadCredentials:
        raise Refused(401, "401 Unauthorized") from None


def _count(limits: Limits, user: User | None) -> tuple[dict[str, str], bool]:
    """Count one request; return the headers of its response, and whether none was left."""
    limit, used, end = limits.count(user.login if user else "")
    spent = bool(user) and used >= limit
    headers = {
        "RateLimit-Name": "throttle_authenticated_api" if user else "throttle_unauthenticated_api",
        "RateLimit-Limit": str(limit), "RateLimit-Observed": str(used + 1),
        "RateLimit-Remaining": str(max(0, limit - used - 1)), "RateLimit-Reset": str(int(end) + 1),
        "RateLimit-ResetTime": formatdate(end + 1, usegmt=True),
    }  # fmt: skip
    if spent:
        headers["Retry-After"] = str(max(1, int(end - time.time()) + 1))
    return headers, spent


def _find(
    state: State, request: Request, user: User | None, named: str | None
) -> Repository | Response | None:
    """Return the project by id or path, or a redirect if the path is an earlier one."""
    if named is None:
        return None
    where = state.get(Repository, int(named)) if named.isdigit() else git_http.find(state, named)
    if where is None or not permissions.may(state, where, user, "read"):
        raise not_found("Project")
    if named.isdigit() or where.path.lower() == named.lower():
        return where
    if request.method != "GET":
        raise Refused(405, "Non GET methods are not allowed for moved projects")
    rest = _raw(request).split("/")[5:]
    query = f"?{request.url.query}" if request.url.query else ""
    url = "/".join([f"{state.base_url}{PREFIX}/projects/{where.id}", *rest]) + query
    return Response(status_code=301, headers={"Location": url})


def _permit(
    state: State, request: Request, user: User | None, *, where: Repository | None, role: str
) -> None:
    reads = request.method == "GET"
    if user is None and (not reads or where is None):
        raise Refused(401, "401 Unauthorized")
    if where is None:
        return
    if not permissions.may(state, where, user, role):
        raise forbidden()
    if where.archived and not reads and role not in ("maintain", "admin"):
        raise forbidden()


def _parsed(body: bytes) -> Any:
    try:
        return parsed(body)
    except ValueError:
        raise Refused(400, "Problems parsing JSON", key="error") from None
