"""The routes of GitHub's REST API, and the way of a request to its handler."""

from collections.abc import Callable
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route as WebRoute

from bot.playground import git_http, permissions
from bot.playground.calls import Answer, Backend, Call, parsed
from bot.playground.github import repository
from bot.playground.github.calls import Route
from bot.playground.github.routes import ROUTES
from bot.playground.github.rules import Refused
from bot.playground.permissions import BadCredentials, caller
from bot.playground.rate_limits import Limits
from bot.playground.state import Repository, State, User


def routes(backend: Backend) -> list[WebRoute]:
    within = ("/api/v3/repos/{owner}/{name}", "/api/v3/repositories/{repository:int}")
    tables = {"/api/v3": repository.USER_ROUTES, **dict.fromkeys(within, ROUTES)}
    return [route for prefix, table in tables.items() for route in serve(backend, prefix, table)]


def serve(backend: Backend, prefix: str, table: tuple[Route, ...]) -> list[WebRoute]:
    """Return routes for a table of handlers below `prefix`, with errors as GitHub reports them."""
    return [WebRoute(prefix + each.path, _endpoint(backend, each), methods=[each.method]) for each in table]


def _endpoint(backend: Backend, route: Route) -> Callable[[Request], Any]:
    async def endpoint(request: Request) -> Response:
        body = await request.body()
        return await run_in_threadpool(_respond, backend, route, request, body=body)

    return endpoint


def _respond(backend: Backend, route: Route, request: Request, *, body: bytes) -> Response:
    """Handle one request while no other runs."""
    headers: dict[str, str] = {}
    with backend.state.lock:
        try:
            user = _caller(backend.state, request)
            headers = _spend(backend.limits, user.login if user else "")
            where = _find(backend.state, request, user, headers)
            if isinstance(where, Response):
                return where
            _permit(backend.state, route, where, user)
            call = Call(
                state=backend.state,
                sender=backend.sender,
                url=str(request.url.replace(query="")),
                path=request.path_params,
                query=dict(request.query_params),
                body=_parsed(body),
                user=user,
                repository=where,
            )
            answer = route.handler(call)
        except Refused as error:
            return JSONResponse(error.body, error.status, {**headers, **error.headers})
        if request.method != "GET":
            backend.state.save()
    return _response(answer, headers)


def _response(answer: Answer, headers: dict[str, str]) -> Response:
    if answer.status == 204:
        return Response(status_code=204, headers=headers)
    return JSONResponse(answer.body, answer.status, {**headers, **answer.headers})


def _find(
    state: State, request: Request, user: User | None, headers: dict[str, str]
) -> Repository | Response | None:
    """Return the repository that the path names, or a redirect if it was renamed."""
    path = request.path_params
    if "repository" in path:
        where = state.get(Repository, path["repository"])
    elif "name" in path:
        full = f"{path['owner']}/{path['name']}"
        where = git_http.find(state, full)
        if where and where.path.lower() != full.lower() and permissions.may(state, where, user, "read"):
            return _moved(state, request, where, headers)
    else:
        return None
    if where is None or not permissions.may(state, where, user, "read"):
        raise Refused(404, "Not Found")
    return where


def _moved(state: State, request: Request, where: Repository, headers: dict[str, str]) -> Response:
    """Redirect to the address that no rename changes: reads with 301, writes with 307."""
    old = "/{owner}/{name}".format_map(request.path_params)
    rest = request.url.path.partition(old)[2]
    url = f"{state.api_url}/repositories/{where.id}{rest}"
    url += f"?{request.url.query}" if request.url.query else ""
    status, message = (301, "Moved Permanently") if request.method == "GET" else (307, "Temporary Redirect")
    about = "https://docs.github.com/rest/guides/best-practices-for-using-the-rest-api#follow-redirects"
    body = {"message": message, "url": url, "documentation_url": about}
    return JSONResponse(body, status, {**headers, "Location": url})


def _permit(state: State, route: Route, where: Repository | None, user: User | None) -> None:
    if user is None and (route.method != "GET" or route.role == "login"):
        raise Refused(401, "Requires authentication")
    if where is None:
        return
    if not permissions.may(state, where, user, route.role):
        raise Refused(403, f"Must have {route.role} access to the repository.")
    if where.archived and route.method != "GET" and route.role != "admin":
        raise Refused(403, "Repository was archived so is read-only.")


def _caller(state: State, request: Request) -> User | None:
    try:
        return caller(state, request.headers.get("authorization"))
    except BadCredentials:
        raise Refused(401, "Bad credentials") from None


def _parsed(body: bytes) -> Any:
    try:
        return parsed(body)
    except ValueError:
        raise Refused(400, "Problems parsing JSON") from None


def _spend(limits: Limits, login: str) -> dict[str, str]:
    """Count one request and return GitHub's headers for it. Raises Refused if none is left."""
    limit, used, end = limits.count(login)
    headers = {
        "x-ratelimit-limit": str(limit),
        "x-ratelimit-remaining": str(max(0, limit - used - 1)),
        "x-ratelimit-used": str(min(used + 1, limit)),
        "x-ratelimit-reset": str(int(end) + 1),
        "x-ratelimit-resource": "core",
    }
    if login and used >= limit:
        raise Refused(403, f"API rate limit exceeded for user {login}.", headers=headers)
    return headers
