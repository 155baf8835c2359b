"""A provider of models whose responses a test scripts, piece by piece."""

import json
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.support.http_server import serving

KEY = "sk-real-key-of-the-operator"


@dataclass(frozen=True)
class Got:
    """One request as it arrived; header names in lower case."""

    path: str
    headers: list[tuple[str, str]]
    body: bytes
    peer: object

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key == name), None)


Answer = Callable[["_Handler"], None]


class ScriptedProvider(ThreadingHTTPServer):
    """A server that sends the responses in `script` in turn, then empty objects, and records its requests."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.script: list[Answer] = []
        self.got: list[Got] = []
        self.hung_up: list[Any] = []  # connections it has closed

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore a gateway that hangs up: some tests make it do so."""

    def shutdown_request(self, request: Any) -> None:
        super().shutdown_request(request)
        self.hung_up.append(request)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: ScriptedProvider

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        headers = [(name.lower(), value) for name, value in self.headers.items()]
        self.server.got.append(Got(self.path, headers, body, self.client_address))
        (self.server.script.pop(0) if self.server.script else json_response({}))(self)

    def log_message(self, *_args: Any) -> None:
        pass


def running() -> AbstractContextManager[ScriptedProvider]:
    """Serve on a free port during the block."""
    return serving(ScriptedProvider())


def json_response(data: object, status: int = 200, **headers: str) -> Answer:
    """Answer with a JSON object at once; `retry_after` becomes the header Retry-After."""

    def answer(handler: _Handler) -> None:
        body = json.dumps(data).encode()
        handler.send_response(status)
        for name, value in {"content-type": "application/json", **headers}.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("content-length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return answer


def stream_response(
    pieces: Iterable[bytes],
    before_each: Callable[[], object] = lambda: None,
    *,
    kind: str = "text/event-stream",
    cut: bool = False,
) -> Answer:
    """Answer with each piece as one chunk; with `cut`, hang up before the end."""

    def answer(handler: _Handler) -> None:
        handler.send_response(200)
        handler.send_header("content-type", kind)
        handler.send_header("transfer-encoding", "chunked")
        handler.end_headers()
        for piece in pieces:
            before_each()
            handler.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
        if cut:
            handler.close_connection = True
            handler.connection.shutdown(2)
        else:
            handler.wfile.write(b"0\r\n\r\n")

    return answer


def event(data: object) -> bytes:
    return f"data: {json.dumps(data)}\n\n".encode()


def message_stream(*, input_tokens: int, output_tokens: int) -> list[bytes]:
    """Return a short stream of Anthropic's with these token counts."""
    return [
        event(
            {
                "type": "message_start",
                "message": {"usage": {"input_tokens": input_tokens, "output_tokens": 1}},
            }
        ),
        event({"type": "content_block_delta", "delta": {"text": "hello"}}),
        event({"type": "message_delta", "usage": {"output_tokens": output_tokens}}),
        event({"type": "message_stop"}),
    ]
