"""The playground as one web application, and the process that serves it."""

import os
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
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

from bot.playground import admin, git_http
from bot.playground.calls import Backend, Call
from bot.playground.github import app as github
from bot.playground.github import pulls
from bot.playground.github.calls import Route
from bot.playground.gitlab import app as gitlab
from bot.playground.hooks import Sender
from bot.playground.permissions import BadCredentials, caller
from bot.playground.state import Repository, State, User, now

BOT_NAME = "forgehand"


@dataclass(slots=True)
class Playground:
    """The state and the application that serves it."""

    state: State
    app: Starlette

    def about(self) -> dict[str, Any]:
        """Return the addresses, tokens and secrets that a user of this playground needs."""
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
    """Open the playground whose repositories and state are in `data`. A new folder gets its first content."""
    data.mkdir(parents=True, exist_ok=True)
    state = State(data, base_url)
    if state.empty:
        admin.furnish(state)
    routes = _routes(Backend(state, Sender(state)))
    return Playground(state, Starlette(routes=routes, exception_handlers={HTTPException: _not_found}))


def serve(data: Path, port: int, *, announce: Callable[[dict[str, Any]], None]) -> None:
    """Serve on 127.0.0.1 until a signal arrives. Port 0 takes a free one; `announce` gets `about()`."""
    _forget_callers_variables()
    with socket.create_server(("127.0.0.1", port)) as listening:
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        playground = create(data, base_url=url)

        @asynccontextmanager
        async def lifespan(app: Starlette) -> AsyncIterator[None]:
            announce(playground.about())  # the socket listens: from here on, requests wait
            yield

        playground.app.router.lifespan_context = lifespan
        config = uvicorn.Config(playground.app, log_level="warning", timeout_graceful_shutdown=1)
        uvicorn.Server(config).run(sockets=[listening])


def _forget_callers_variables() -> None:
    """Remove from our environment the bot's secrets, and all that could name another repository to git.

    GitPython passes our whole environment on to git.
    """
    for name in [name for name in os.environ if name.startswith(("FORGEHAND_", "GIT_"))]:
        del os.environ[name]


def _routes(backend: Backend) -> list[BaseRoute]:
    limits = Route("POST", "/rate-limit", "login", partial(admin.exhaust, backend.limits))
    return [
        *github.routes(backend),
        *github.serve(backend, "/_playground", (*admin.ROUTES, limits)),
        *github.serve(backend, "/_playground/repos/{owner}/{name}", admin.REPOSITORY_ROUTES),
        gitlab.mount(backend),
        WebRoute("/{owner}/{name}.git/{service:path}", partial(_git, backend), methods=["GET", "POST"]),
    ]


async def _git(backend: Backend, request: Request) -> Response:
    state = backend.state
    where = git_http.find(state, f"{request.path_params['owner']}/{request.path_params['name']}")
    push = git_http.is_push(request)
    try:
        user = caller(state, request.headers.get("authorization"))
    except BadCredentials:
        return git_http.refuse(401, "Invalid username or token.")
    refused = git_http.admit(state, where, user, push=push)
    if refused is not None or where is None:
        return refused or git_http.refuse(404, "Repository not found.")
    if moved := git_http.elsewhere(request, where):
        return moved

    async def after() -> None:
        if push and request.method == "POST":
            await run_in_threadpool(_pushed, backend, where, user)

    return await git_http.backend(request, state.git_folder(where), user, after=after)


def _pushed(backend: Backend, where: Repository, user: User | None) -> None:
    state = backend.state
    with state.lock:
        current = state.get(Repository, where.id)
        if current is None:
            return
        where = state.put(replace(current, pushed_at=now()))
        call = Call(
            state=state, sender=backend.sender, url="", path={}, query={}, body=None, user=user,
            repository=where,
        )  # fmt: skip
        pulls.follow_pushes(call)
        state.save()


async def _not_found(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    return JSONResponse({"message": "Not Found", "documentation_url": "https://docs.github.com/rest"}, status)
