"""A model provider with scripted answers: Anthropic's messages interface, plain and streamed.

A real agent talks to it and runs the tools that the answers request. Every request is stored, so that
a test can check the conversation and the key in it. The wire format follows the provider's API
reference (messages, streaming, errors).
"""

import json
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from typing import Any, Self

from tests.support.http_server import serving

_CHUNK = 24  # characters in one streamed piece


@dataclass(frozen=True, slots=True)
class Text:
    """Text for people."""

    text: str

    def block(self, _number: int) -> dict[str, Any]:
        return {"type": "text", "text": self.text}


@dataclass(frozen=True, slots=True)
class Use:
    """A request to the agent to use a tool, for instance Use("Bash", command="ls")."""

    tool: str
    given: dict[str, Any]

    def __init__(self, tool: str, **given: Any) -> None:
        object.__setattr__(self, "tool", tool)
        object.__setattr__(self, "given", given)

    def block(self, number: int) -> dict[str, Any]:
        return {"type": "tool_use", "id": f"toolu_{number:024}", "name": self.tool, "input": self.given}


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One answer of the model."""

    parts: Sequence[Text | Use]
    pause: float = 0.0  # seconds before each streamed piece
    cut: bool = False  # the connection breaks in the middle of the first part
    hold: threading.Event | None = None  # if given, the answer waits for it
    tokens: tuple[int, int] = (100, 20)  # in, out


@dataclass(frozen=True, slots=True)
class Fails:
    """An answer that is an error, with the provider's headers."""

    status: int
    kind: str
    headers: dict[str, str] = field(default_factory=dict)


def answering(text: str, **about: Any) -> Turn:
    return Turn(parts=[Text(text)], **about)


def runs(command: str, **about: Any) -> Turn:
    """Make an answer that requests a shell command."""
    use = Use("Bash", command=command, description="as the test says")
    return Turn(parts=[Text("I will run a command."), use], **about)


@dataclass(frozen=True, slots=True)
class Asked:
    """One request as received."""

    method: str
    path: str
    headers: dict[str, str]  # names in lower case
    body: dict[str, Any]
    size: int  # bytes of the body
    at: float  # time.monotonic() when it was read

    @property
    def key(self) -> str:
        """The request's key, from either header."""
        bearer = self.headers.get("authorization", "").removeprefix("Bearer ")
        return self.headers.get("x-api-key", "") or bearer

    @property
    def shown(self) -> str:
        """All of the conversation so far that the request contains, as one text."""
        return json.dumps(self.body.get("messages", []), ensure_ascii=False)

    @property
    def is_work(self) -> bool:
        """True for a request of the conversation itself.

        Agents also send requests for titles and the like, which have no tools.
        """
        return bool(self.body.get("tools"))


class ModelServer(ThreadingHTTPServer):
    """A server that gives the answers in `script` in turn, and `otherwise` after its end.

    A conversation that contains a key of `scripts` gets the script of that key instead.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.script: list[Turn | Fails] = []
        self.scripts: dict[str, list[Turn | Fails]] = {}
        self.otherwise: Turn | Fails = answering("Done.")
        self.asked: list[Asked] = []
        self.numbers = count(1)
        self._one = threading.Lock()

    @classmethod
    def running(cls) -> AbstractContextManager[Self]:
        return serving(cls())

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def take(self, asked: Asked) -> Turn | Fails:
        """Remember a request; return its answer."""
        with self._one:
            self.asked.append(asked)
            if not asked.is_work:
                return self.otherwise
            script = next((self.scripts[word] for word in self.scripts if word in asked.shown), self.script)
            return script.pop(0) if script else self.otherwise


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: ModelServer

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers.get("content-length", 0)))
        answer = self.server.take(self._asked(raw))
        if self.path.partition("?")[0].endswith("/count_tokens"):
            self._send(200, {"input_tokens": len(raw) // 4})
        elif not self.path.partition("?")[0].endswith("/v1/messages"):
            self._fail(Fails(404, "not_found_error"))
        elif isinstance(answer, Fails):
            self._fail(answer)
        else:
            self._turn(answer, json.loads(raw))

    def do_GET(self) -> None:
        self.server.take(self._asked(b""))
        self._fail(Fails(404, "not_found_error"))

    do_HEAD = do_GET  # noqa: N815 - the name http.server looks for

    def _asked(self, raw: bytes) -> Asked:
        headers = {name.lower(): value for name, value in self.headers.items()}
        body = json.loads(raw) if raw else {}
        return Asked(self.command, self.path, headers, body, len(raw), time.monotonic())

    def _fail(self, answer: Fails) -> None:
        about = {"type": answer.kind, "message": f"{answer.kind}, as the test says"}
        self._send(answer.status, {"type": "error", "error": about}, answer.headers)

    def _send(self, status: int, data: object, headers: dict[str, str] | None = None) -> None:
        raw = json.dumps(data).encode()
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(raw)

    def _turn(self, turn: Turn, body: dict[str, Any]) -> None:
        if turn.hold is not None:
            turn.hold.wait(60)
        number = next(self.server.numbers)
        blocks = [part.block(number * 100 + place) for place, part in enumerate(turn.parts)]
        message = {
            "id": f"msg_{number:024}",
            "type": "message",
            "role": "assistant",
            "model": body.get("model", ""),
            "content": blocks,
            "stop_reason": "tool_use" if blocks[-1]["type"] == "tool_use" else "end_turn",
            "stop_sequence": None,
            "usage": {"input_tokens": turn.tokens[0], "output_tokens": turn.tokens[1]},
        }
        if body.get("stream"):
            self._stream(turn, message)
        else:
            self._send(200, message)

    def _stream(self, turn: Turn, message: dict[str, Any]) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        events = list(_events(message))
        with suppress(ConnectionError):  # a killed agent does not read to the end
            for event in events[: len(events) // 2] if turn.cut else events:
                time.sleep(turn.pause)
                data = f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode()
                self.wfile.write(b"%x\r\n%b\r\n" % (len(data), data))
            self.wfile.write(b"" if turn.cut else b"0\r\n\r\n")
        self.close_connection = turn.cut

    def log_message(self, format: str, *args: object) -> None:
        pass


def _events(message: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Return the events with which a whole message is streamed."""
    usage = message["usage"]
    begun = {**message, "content": [], "stop_reason": None, "usage": {**usage, "output_tokens": 1}}
    yield {"type": "message_start", "message": begun}
    yield {"type": "ping"}
    for index, block in enumerate(message["content"]):
        is_text = block["type"] == "text"
        whole = block["text"] if is_text else json.dumps(block["input"])
        empty = {**block, "text": ""} if is_text else {**block, "input": {}}
        yield {"type": "content_block_start", "index": index, "content_block": empty}
        for at in range(0, len(whole), _CHUNK):
            piece = whole[at : at + _CHUNK]
            delta = (
                {"type": "text_delta", "text": piece}
                if is_text
                else {"type": "input_json_delta", "partial_json": piece}
            )
            yield {"type": "content_block_delta", "index": index, "delta": delta}
        yield {"type": "content_block_stop", "index": index}
    ends = {"stop_reason": message["stop_reason"], "stop_sequence": None}
    yield {"type": "message_delta", "delta": ends, "usage": {"output_tokens": usage["output_tokens"]}}
    yield {"type": "message_stop"}
