"""An HTTP server with scripted answers, for answers that no playground would give."""

import json
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from tests.support.http_server import serving


@dataclass
class Response:
    """One answer. `headers` are added to those that every answer has."""

    status: int
    data: object = None
    headers: dict[str, str] = field(default_factory=dict)
    raw: bytes | None = None


class Server(ThreadingHTTPServer):
    """A server that gives the answers in `script` in turn, then echoes. It stores its requests."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.script: list[Response] = []
        self.asked: list[tuple[str, str, Any]] = []
        self.tokens: set[str | None] = set()
        self.peers: set[object] = set()

    @classmethod
    def running(cls) -> AbstractContextManager[Self]:
        return serving(cls())

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/api/v3"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else a body waits 40 ms for the acknowledgement of its headers
    server: Server

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        given = json.loads(body) if body else None
        self.server.asked.append((self.command, self.path, given))
        self.server.tokens.add(self.headers["authorization"])
        echo = Response(200, {"path": self.path, "given": given})
        self.server.peers.add(self.client_address)
        says = self.server.script.pop(0) if self.server.script else echo
        raw = json.dumps(says.data).encode() if says.raw is None else says.raw
        self.send_response(says.status)
        for name, value in says.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _answer  # noqa: N815 - the names http.server looks for

    def log_message(self, format: str, *args: object) -> None:
        pass
