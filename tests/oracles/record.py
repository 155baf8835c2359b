"""An ASGI wrapper that stores its exchanges, so that the oracle can check them afterwards."""

import json
from dataclasses import dataclass, field
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tests.oracles.check import check_request, check_response


@dataclass(frozen=True, slots=True)
class Exchange:
    method: str
    path: str
    sent: bytes
    status: int
    answered: bytes


@dataclass(slots=True)
class Recorder:
    """REST exchanges of a playground, in the order of their answers."""

    app: ASGIApp
    exchanges: list[Exchange] = field(default_factory=list)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].startswith("/api/v3/"):
            await self.app(scope, receive, send)
            return
        sent, answered, status = bytearray(), bytearray(), 0

        async def listen() -> Message:
            message = await receive()
            sent.extend(message.get("body", b""))
            return message

        async def answer(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)
            answered.extend(message.get("body", b""))
            if message["type"] == "http.response.body" and not message.get("more_body"):
                done = Exchange(scope["method"], scope["path"], bytes(sent), status, bytes(answered))
                self.exchanges.append(done)
            await send(message)

        await self.app(scope, listen, answer)


def check(exchange: Exchange) -> None:
    """Raise AssertionError unless both halves fit GitHub's description."""
    if exchange.status < 400:
        check_request(exchange.method, exchange.path, _read(exchange.sent))
    check_response(exchange.method, exchange.path, exchange.status, _read(exchange.answered))


def _read(body: bytes) -> Any:
    return json.loads(body) if body else None
