"""The playground as one web application, and the process that serves it."""

import json
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute
from starlette.routing import Route as WebRoute

from bot.playground import admin, api, api_pulls, api_repository, git_http, rules
from bot.playground.calls import Answer, Call, Route, who
from bot.playground.gitlab import app as gitlab
from bot.playground.hooks import Sender
from bot.playground.limits import Limits
from bot.playground.rules import Refused
from bot.playground.state import Repository, State, User, now

BOT_NAME = "forgehand"


@dataclass(slots=True)
class Playground:
    state: State
    sender: Sender
    limits: Limits = field(default_factory=Limits)
    app: Starlette = field(init=False)

    def about(self) -> dict[str, Any]:
        """What somebody needs to use this playground: addresses, tokens, the secret."""
        tokens = {user.login: user.token for user in self.state.all(User) if user.type != "Organization"}
        return {
            "url": self.state.base_url,
            "api": self.state.api_url,
            "git": self.state.base_url,
            "webhook_secret": self.state.webhook_secret,
            "tokens": {"bot": tokens.pop(BOT_NAME), **tokens},
            "repositories": [row.path for row in self.state.all(Repository)],
            "bot_name": BOT_NAME,
            "gitlab": {
                "url": self.state.base_url,
                "webhook_token": self.state.webhook_secret,
                "signing_token": self.state.signing_token,
            },
        }


def create(data: Path, *, base_url: str) -> Playground:
    """The playground whose repositories and state are in `data`; a new folder is furnished."""
    data.mkdir(parents=True, exist_ok=True)
    state = State(data, base_url)
    if state.empty:
        admin.furnish(state)
    playground = Playground(state, Sender(state))
    playground.app = Starlette(routes=_routes(playground), exception_handlers={HTTPException: _not_found})
    return playground


def serve(data: Path, port: int, *, announce: Callable[[dict[str, Any]], None]) -> None:
    """Serve on 127.0.0.1 until a signal ends it; port 0 takes a free one. `announce` gets `about()`."""
    with socket.create_server(("127.0.0.1", port)) as listening:
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        playground = create(data, base_url=url)

        @asynccontextmanager
        async def lifespan(app: Starlette) -> AsyncIterator[None]:
            announce(playground.about())  # the socket listens: from here on requests wait for us
            yield

        playground.app.router.lifespan_context = lifespan
        config = uvicorn.Config(playground.app, log_level="warning", timeout_graceful_shutdown=1)
        uvicorn.Server(config).run(sockets=[listening])


def _routes(playground: Playground) -> list[BaseRoute]:
    git_path = "/{owner}/{name}.git/{service:path}"
    within = ("/api/v3/repos/{owner}/{name}", "/api/v3/repositories/{repository:int}")
    limits = Route("POST", "/rate-limit", "login", partial(admin.exhaust, playground.limits))
    tables = {
        "/api/v3": api_repository.USER_ROUTES,
        "/_playground": (*admin.ROUTES, limits),
        "/_playground/repos/{owner}/{name}": admin.REPOSITORY_ROUTES,
    }
    tables |= dict.fromkeys(within, api.ROUTES)
    return [
        *(
            WebRoute(prefix + route.path, _endpoint(playground, route), methods=[route.method])
            for prefix, routes in tables.items()
            for route in routes
        ),
        gitlab.mount(gitlab.Side(playground.state, playground.sender, playground.limits)),
        WebRoute(git_path, partial(_git, playground), methods=["GET", "POST"]),
    ]


def _endpoint(playground: Playground, route: Route) -> Callable[[Request], Any]:
    async def endpoint(request: Request) -> Response:
        body = await request.body()
        return await run_in_threadpool(_respond, playground, route, request, body=body)

    return endpoint


def _respond(playground: Playground, route: Route, request: Request, *, body: bytes) -> Response:
    """One REST call, from who is asking to GitHub's answer. No other runs meanwhile."""
    headers: dict[str, str] = {}
    with playground.state.lock:
        try:
            user = who(playground.state, request.headers.get("authorization"))
            headers = playground.limits.spend(user.login if user else "")
            where = _find(playground.state, request, user, headers)
            if isinstance(where, Response):
                return where
            _permit(playground.state, route, where, user)
            call = Call(
                state=playground.state,
                sender=playground.sender,
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
            playground.state.save()
    return _response(answer, headers)


def _response(answer: Answer, headers: dict[str, str]) -> Response:
    if answer.status == 204:
        return Response(status_code=204, headers=headers)
    return JSONResponse(answer.body, answer.status, {**headers, **answer.headers})


def _parsed(body: bytes) -> Any:
    """JSON, if it is text that can be written again: half a surrogate pair cannot."""
    try:
        parsed = json.loads(body) if body else None
        json.dumps(parsed, ensure_ascii=False).encode()
    except ValueError:
        raise Refused(400, "Problems parsing JSON") from None
    return parsed


def _find(
    state: State, request: Request, user: User | None, headers: dict[str, str]
) -> Repository | Response | None:
    """The repository of the path; or where it went, if it was renamed."""
    path = request.path_params
    if "repository" in path:
        where = state.get(Repository, path["repository"])
    elif "name" in path:
        full = f"{path['owner']}/{path['name']}"
        where = git_http.find(state, full)
        if where and where.path.lower() != full.lower() and rules.may(state, where, user, "read"):
            return _moved(state, request, where, headers)
    else:
        return None
    if where is None or not rules.may(state, where, user, "read"):
        raise Refused(404, "Not Found")
    return where


def _moved(state: State, request: Request, where: Repository, headers: dict[str, str]) -> Response:
    """301 to whoever reads and 307 to whoever writes, to the address that no rename changes."""
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
    if not rules.may(state, where, user, route.role):
        raise Refused(403, f"Must have {route.role} access to the repository.")
    if where.archived and route.method != "GET" and route.role != "admin":
        raise Refused(403, "Repository was archived so is read-only.")


async def _git(playground: Playground, request: Request) -> Response:
    state = playground.state
    where = git_http.find(state, f"{request.path_params['owner']}/{request.path_params['name']}")
    push = git_http.is_push(request)
    try:
        user = who(state, request.headers.get("authorization"))
    except Refused:
        return git_http.refuse(401, "Invalid username or token.")
    refused = git_http.admit(state, where, user, push=push)
    if refused is not None or where is None:
        return refused or git_http.refuse(404, "Repository not found.")
    if moved := git_http.elsewhere(request, where):
        return moved

    async def after() -> None:
        if push and request.method == "POST":
            await run_in_threadpool(_pushed, playground, where, user)

    return await git_http.backend(request, state.git_folder(where), user, after=after)


def _pushed(playground: Playground, where: Repository, user: User | None) -> None:
    state = playground.state
    with state.lock:
        current = state.get(Repository, where.id)
        if current is None:
            return
        where = state.put(replace(current, pushed_at=now()))
        call = Call(
            state=state, sender=playground.sender, url="", path={}, query={}, body=None, user=user,
            repository=where,
        )  # fmt: skip
        api_pulls.follow_pushes(call)
        state.save()


async def _not_found(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    return JSONResponse({"message": "Not Found", "documentation_url": "https://docs.github.com/rest"}, status)
