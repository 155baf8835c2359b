"""Git over HTTP: a check of permissions, then git's own `http-backend` as CGI, streamed both ways.

The protocol is left to git, so the bot's git gets the same answers here as from any server that runs git.
"""

import asyncio
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response, StreamingResponse

from bot.playground import permissions
from bot.playground.git import CLOSED
from bot.playground.state import Repository, State, User

CHUNK = 65_536


def refuse(status: int, text: str) -> Response:
    headers = {"WWW-Authenticate": 'Basic realm="GitHub"'} if status == 401 else None
    return PlainTextResponse(text, status, headers)


def admit(state: State, where: Repository | None, user: User | None, *, push: bool) -> Response | None:
    """Return None if `user` may, else GitHub's refusal, which git prints after `remote:`."""
    visible = where is not None and permissions.may(state, where, user, "read")
    if user is None and (push or not visible):
        return refuse(401, "Authentication required")  # for a missing repository too, to reveal nothing
    if where is None or not visible or not state.git_folder(where).exists():
        return refuse(404, "Repository not found.")
    if push and not permissions.may(state, where, user, "write"):
        assert user is not None
        return refuse(403, f"Permission to {where.path}.git denied to {user.login}.")
    if push and where.archived:
        return refuse(403, "This repository was archived so it is read-only.")
    return None


def elsewhere(request: Request, where: Repository) -> Response | None:
    """Return a redirect to the present name if the request used an earlier one."""
    asked = "{owner}/{name}".format_map(request.path_params)
    if asked.lower() == where.path.lower():
        return None
    url = request.url.replace(path=request.url.path.replace(f"/{asked}.git", f"/{where.path}.git", 1))
    return RedirectResponse(str(url), 301)


def is_push(request: Request) -> bool:
    service = request.query_params.get("service") or request.url.path.rpartition("/")[2]
    return service == "git-receive-pack"


async def backend(
    request: Request, folder: Path, user: User | None, *, after: Callable[[], Awaitable[None]]
) -> Response:
    """Return git's response. `after` runs when git has ended, before the client sees the response's end."""
    process = await asyncio.create_subprocess_exec(
        "git", "http-backend", env=_environment(request, folder, user),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    assert process.stdin is not None and process.stdout is not None  # noqa: PT018 - for mypy
    # Before the response, because Starlette reads the request too while it streams one. Git's
    # HTTP protocol is half-duplex anyway.
    await _feed(request, process.stdin)
    status, headers = await _head(process.stdout)

    async def rest(output: asyncio.StreamReader) -> AsyncIterator[bytes]:
        try:
            while chunk := await output.read(CHUNK):
                yield chunk
            await process.wait()
            await after()
        finally:
            if process.returncode is None:
                process.terminate()
                await process.wait()

    return StreamingResponse(rest(process.stdout), status, headers)


def _environment(request: Request, folder: Path, user: User | None) -> dict[str, str]:
    service = request.path_params["service"]
    return {
        **CLOSED,
        "GIT_PROJECT_ROOT": str(folder.parent),
        "GIT_HTTP_EXPORT_ALL": "1",
        "PATH_INFO": f"/{folder.name}/{service}",
        "REQUEST_METHOD": request.method,
        "QUERY_STRING": request.url.query,
        "CONTENT_TYPE": request.headers.get("content-type", ""),
        "GIT_PROTOCOL": request.headers.get("git-protocol", ""),
        "REMOTE_USER": user.login if user else "",
        "REMOTE_ADDR": "127.0.0.1",
    }


async def _feed(request: Request, stdin: asyncio.StreamWriter) -> None:
    """Write the request's body to git, unpacked: without CONTENT_LENGTH http-backend reads to the end."""
    unzip = zlib.decompressobj(31) if request.headers.get("content-encoding") == "gzip" else None
    try:
        async for chunk in request.stream():
            if stdin.is_closing():  # git has ended; uvloop raises RuntimeError here, asyncio does not
                break
            stdin.write(unzip.decompress(chunk) if unzip else chunk)
            await stdin.drain()
    except (BrokenPipeError, ConnectionResetError, ClientDisconnect):
        pass  # git has ended, or the client went away
    finally:
        stdin.close()


async def _head(output: asyncio.StreamReader) -> tuple[int, dict[str, str]]:
    """Read status and headers of a CGI response."""
    status, headers = 200, {}
    while line := (await output.readline()).decode("latin-1").strip():
        name, _, value = line.partition(":")
        if name.lower() == "status":
            status = int(value.split()[0])
        else:
            headers[name] = value.strip()
    return status, headers


def find(state: State, path: str) -> Repository | None:
    """Find a repository by its present path or an earlier one."""
    return state.first(Repository, lambda row: row.path.lower() == path.lower()) or state.first(
        Repository, lambda row: path in row.earlier_paths
    )
